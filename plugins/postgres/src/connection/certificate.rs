//! What is in a server's certificate, beyond what webpki looks at.

use std::{net::IpAddr, time::Duration};

use rustls::{
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime},
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::{
    Certificate, Version,
    attr::AttributeTypeAndValue,
    der::{
        Decode, Encode, Tag, Tagged,
        oid::{ObjectIdentifier, db::rfc4519::COMMON_NAME},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// Hashes of signatures (RFC 5929: MD5 and SHA-1 count as SHA-256).
const SHA256_SIGNATURES: [&str; 6] = [
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.113549.1.1.11",
    "1.2.840.10045.4.1",
    "1.2.840.10045.4.3.2",
    "2.16.840.1.101.3.4.3.2",
];
const SHA384_SIGNATURES: [&str; 2] = ["1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"];
const SHA512_SIGNATURES: [&str; 2] = ["1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"];
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const SHA384: &str = "2.16.840.1.101.3.4.2.2";
const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";

/// Returns what a password is bound to; `None` for signatures without a hash
/// of their own, such as Ed25519, for which nothing is defined.
pub(super) fn end_point_hash(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let oid = algorithm.oid.to_string();
    let oid = oid.as_str();
    let contains = |hash: &str| {
        let parameters = algorithm.parameters.as_ref().map(|it| it.value().to_vec());
        let wanted = ObjectIdentifier::new(hash).ok().and_then(|it| it.to_der().ok());
        let (Some(parameters), Some(wanted)) = (parameters, wanted) else { return false };
        parameters.windows(wanted.len()).any(|it| it == wanted)
    };
    let is = |all: &[&str], hash| all.contains(&oid) || (oid == RSA_PSS && contains(hash));
    if is(&SHA512_SIGNATURES, SHA512) {
        Some(Sha512::digest(der).to_vec())
    } else if is(&SHA384_SIGNATURES, SHA384) {
        Some(Sha384::digest(der).to_vec())
    } else if is(&SHA256_SIGNATURES, SHA256) {
        Some(Sha256::digest(der).to_vec())
    } else {
        None
    }
}

/// Checks the name as libpq does: alternative names first, the common name
/// only if none is of the host's kind. Fails with the names that there are.
pub(super) fn check_name(der: &CertificateDer<'_>, host: &str) -> Result<(), String> {
    let certificate =
        Certificate::from_der(der).map_err(|e| format!("its certificate is damaged: {e}"))?;
    let address: Option<IpAddr> = host.parse().ok();
    let mut common_name_counts = true;
    let mut names = Vec::new();
    let alternatives = certificate.tbs_certificate.get::<SubjectAltName>();
    let alternatives = alternatives.ok().flatten().map(|(_, it)| it.0).unwrap_or_default();
    for alternative in alternatives {
        match alternative {
            GeneralName::DnsName(name) => {
                common_name_counts &= address.is_some();
                if name_matches(name.as_str(), host) {
                    return Ok(());
                }
                names.push(name.as_str().to_owned());
            }
            GeneralName::IpAddress(bytes) => {
                common_name_counts &= address.is_none();
                let found = address_of(bytes.as_bytes());
                if found.is_some() && found == address {
                    return Ok(());
                }
                names.extend(found.map(|it| it.to_string()));
            }
            _ => {}
        }
    }
    if common_name_counts && let Some(name) = common_name(&certificate) {
        if name_matches(&name, host) {
            return Ok(());
        }
        names.push(name);
    }
    Err(format!("its certificate is for {}, and not for {host}", names.join(", ")))
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    four.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let mut all = certificate.tbs_certificate.subject.0.iter().flat_map(|it| it.0.iter());
    let name: &AttributeTypeAndValue = all.rfind(|it| it.oid == COMMON_NAME)?;
    let text = match name.value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => {
            String::from_utf8(name.value.value().to_vec()).ok()?
        }
        _ => return None,
    };
    // A zero byte would hide what follows it.
    (!text.contains('\0')).then_some(text)
}

/// `*.example.org` stands for one label, and only at the beginning.
fn name_matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|it| it.len() > 1 && it.starts_with('.'))
    else {
        return false;
    };
    let Some((label, rest)) = host.split_once('.') else { return false };
    !label.is_empty() && suffix[1..].eq_ignore_ascii_case(rest)
}

/// Tells whether a certificate is accepted without webpki: as one of the
/// roots itself, or as one of version 1 that a root signed. PostgreSQL's own
/// documentation makes both kinds.
pub(super) fn is_accepted_directly(
    der: &CertificateDer<'_>,
    roots: &[CertificateDer<'static>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    if !is_valid_at(&certificate, now) {
        return false;
    }
    if roots.iter().any(|root| root == der) {
        return true;
    }
    let is_old = certificate.tbs_certificate.version == Version::V1;
    is_old
        && roots.iter().filter_map(|it| Certificate::from_der(it).ok()).any(|root| {
            root.tbs_certificate.subject == certificate.tbs_certificate.issuer
                && is_valid_at(&root, now)
                && has_signed(&root, &certificate, algorithms)
        })
}

fn is_valid_at(certificate: &Certificate, now: UnixTime) -> bool {
    let validity = &certificate.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    validity.not_before.to_unix_duration() <= now && now <= validity.not_after.to_unix_duration()
}

fn has_signed(
    issuer: &Certificate,
    certificate: &Certificate,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let inside = |der: Vec<u8>| der.get(2..).map(<[u8]>::to_vec);
    let Some(signature_kind) = certificate.signature_algorithm.to_der().ok().and_then(inside)
    else {
        return false;
    };
    let key = &issuer.tbs_certificate.subject_public_key_info;
    let Some(key_kind) = key.algorithm.to_der().ok().and_then(inside) else { return false };
    let (Ok(message), Some(signature)) =
        (certificate.tbs_certificate.to_der(), certificate.signature.as_bytes())
    else {
        return false;
    };
    let fits = |it: &&&dyn SignatureVerificationAlgorithm| {
        it.signature_alg_id().as_ref() == signature_kind
            && it.public_key_alg_id().as_ref() == key_kind
    };
    algorithms.all.iter().filter(fits).any(|it| {
        it.verify_signature(key.subject_public_key.raw_bytes(), &message, signature).is_ok()
    })
}

/// Returns the public key, for signatures of certificates that webpki does
/// not read: the kind of the key, and its bits.
pub(super) fn public_key(der: &CertificateDer<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = Certificate::from_der(der).ok()?.tbs_certificate.subject_public_key_info;
    let kind = key.algorithm.to_der().ok()?.get(2..)?.to_vec();
    Some((kind, key.subject_public_key.raw_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        let cases = [
            ("db.example.org", "DB.example.org", true),
            ("*.example.org", "db.example.org", true),
            ("*.example.org", "a.db.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
            ("d*.example.org", "db.example.org", false),
            ("*", "db", false),
            ("*.", "db.", false),
            ("db.*.org", "db.example.org", false),
        ];
        for (pattern, host, good) in cases {
            assert_eq!(name_matches(pattern, host), good, "{pattern} {host}");
        }
    }
}
