//! Opens encryptors with what the configuration says of them.

use std::io;

use hayloft_plugin_api::{
    EncodeWriter, Error, ErrorKind, Host, Node, Result, StreamOptions, Transform,
};

/// What files are encrypted with.
pub(crate) struct Encryptors {
    /// For what is compressed already.
    pub(crate) plain: Transform,
    /// For everything else, if it makes a difference: gpg compresses, and so
    /// Cedar Backup's encrypted files are smaller than what was in them.
    pub(crate) compressing: Option<Transform>,
}

/// Opens the encryptor of an `<encrypt_mode>` for a recipient.
///
/// # Errors
///
/// If there is no such encryptor, or it knows no recipients.
pub(crate) fn encryptors(host: &Host, mode: &str, recipient: &str) -> Result<Encryptors> {
    let root = host.document();
    let gpg = Gpg::find(&root, mode);
    let program = gpg.program(&root);
    let mut elements = vec![("recipient", recipient)];
    elements.extend(program.as_deref().map(|it| ("program", it)));
    let plain = encryptor(host, mode, &elements)?;
    if !gpg.is_ours_to_set("compress") {
        return Ok(Encryptors { plain, compressing: None });
    }
    elements.push(("compress", "Y"));
    let compressing = Some(encryptor(host, mode, &elements)?);
    Ok(Encryptors { plain, compressing })
}

fn encryptor(host: &Host, mode: &str, elements: &[(&str, &str)]) -> Result<Transform> {
    let opened = host.encryptor_with(mode, elements).map_err(|error| {
        if error.kind() == ErrorKind::UNSUPPORTED {
            let message = format!("{mode} cannot encrypt for <encrypt_target>");
            return error.context(message);
        }
        error
    })?;
    if opened.suffix().is_empty() {
        let message = format!("{mode} gives what it encrypts no suffix");
        return Err(Error::new(ErrorKind::UNSUPPORTED, message));
    }
    Ok(opened)
}

/// Opens the encryptor that is to decrypt.
///
/// # Errors
///
/// If there is none.
pub(crate) fn decryptor(host: &Host, name: &str) -> Result<Transform> {
    let root = host.document();
    match Gpg::find(&root, name).program(&root) {
        Some(program) => host.encryptor_with(name, &[("program", &program)]),
        None => host.encryptor(name),
    }
}

/// Finds out whether it can encrypt at all, before anything is touched.
///
/// # Errors
///
/// Why not: an unknown recipient, or one who is not trusted.
pub(crate) fn probe(encryptor: &Transform, mode: &str, recipient: &str) -> Result<()> {
    let attempt = || {
        let codec = encryptor.encoder(StreamOptions::default())?;
        EncodeWriter::new(codec, io::sink()).finish()?;
        Ok(())
    };
    attempt().map_err(|error: Error| {
        let has_hint = error.remedy().is_some();
        let error = error.context(format!("{mode} cannot encrypt for {recipient}"));
        if has_hint || mode != "gpg" {
            return error;
        }
        error.hint(
            "the user who runs this needs the key: `gpg --import FILE`, then \
             `gpg --lsign-key RECIPIENT`",
        )
    })
}

/// An encryptor of the configuration, which may be gpg under another name.
struct Gpg<'a> {
    is_gpg: bool,
    configured: Option<&'a Node>,
}

impl<'a> Gpg<'a> {
    fn find(root: &'a Node, name: &str) -> Self {
        let configured = root
            .child("encryptors")
            .into_iter()
            .flat_map(|it| it.children_named("encryptor"))
            .find(|it| text(it, "name").is_some_and(|it| it.trim() == name));
        let kind = configured.and_then(|it| text(it, "type"));
        Self { is_gpg: kind.as_deref().map_or(name, str::trim) == "gpg", configured }
    }

    /// Tells whether gpg has this element, and the configuration does not say
    /// what is in it.
    fn is_ours_to_set(&self, element: &str) -> bool {
        self.is_gpg && self.configured.is_none_or(|it| it.child(element).is_none())
    }

    /// Returns the path that `<options>` gives gpg instead of its own.
    fn program(&self, root: &Node) -> Option<String> {
        if !self.is_ours_to_set("program") {
            return None;
        }
        let options = root.child("options")?;
        let overrides: Vec<&Node> = options.children_named("override").collect();
        overrides
            .into_iter()
            .rev()
            .find_map(|it| (text(it, "command")? == "gpg").then(|| text(it, "abs_path")).flatten())
    }
}

fn text(node: &Node, child: &str) -> Option<String> {
    Some(node.child(child)?.first_text.to_string())
}
