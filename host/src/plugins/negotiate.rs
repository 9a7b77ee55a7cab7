//! Compares the layout of the types at the boundary, as a plugin has them,
//! with ours.
//!
//! `abi_stable`'s own check takes a newer plugin, but no older one: it wants
//! the program's types to be a prefix of the plugin's. Functions are only ever
//! appended, so we ask in the direction that fits: the older side must be a
//! prefix of the newer. What the older side lacks is then answered by the
//! default of a trait's method.

use std::cmp::Ordering;

use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::{
        AbiInstability, AbiInstabilityErrors, check_layout_compatibility,
    },
    library::LibHeader,
    type_layout::TLFieldOrFunction,
};
use hayloft_plugin_api::{
    API_MAJOR, API_MINOR, FINGERPRINT, abi::PluginModule_Ref, meta::Metadata,
};

use super::problem::Problem;

/// Checks that a plugin's types are laid out as its API version says.
///
/// # Errors
///
/// [`Problem::Layout`] with the first differences.
pub(super) fn check_layout(header: &LibHeader, plugin: &Metadata) -> Result<(), Problem> {
    // Built from the very same sources: nothing can differ, and the comparison
    // would take most of the time that loading takes.
    if plugin.fingerprint == FINGERPRINT {
        return Ok(());
    }
    let differs = |detail: String| Problem::Layout {
        api: format!("{}.{}", plugin.api.0, plugin.api.1),
        detail,
    };
    let ours = <PluginModule_Ref as StableAbi>::LAYOUT;
    let theirs = header.layout().ok_or_else(|| differs("it does not say how".to_owned()))?;
    let compared = match plugin.api.cmp(&(API_MAJOR, API_MINOR)) {
        Ordering::Greater => check_layout_compatibility(ours, theirs),
        Ordering::Less => check_layout_compatibility(theirs, ours),
        // Of two builds of one version that is not released yet, either may be
        // the older one.
        Ordering::Equal => check_layout_compatibility(ours, theirs)
            .or_else(|errors| check_layout_compatibility(theirs, ours).map_err(|_| errors)),
    };
    compared.map_err(|errors| differs(summary(&errors)))
}

/// The first differences in a line; `abi_stable` prints some 800.
fn summary(errors: &AbiInstabilityErrors) -> String {
    const MOST: usize = 2;
    let mut found: Vec<String> = Vec::new();
    // The innermost types come last, and are what differs.
    for error in errors.errors.iter().rev() {
        let place = match error.stack_trace.last().map(|it| it.expected) {
            Some(TLFieldOrFunction::Field(field)) => field.layout().name().to_owned(),
            Some(TLFieldOrFunction::Function(function)) => first_line(&function.to_string()),
            None => "the module".to_owned(),
        };
        found.extend(error.errs.iter().map(|it| format!("{place}: {}", describe(it))));
    }
    found.dedup();
    found.truncate(MOST);
    found.join("; ")
}

fn describe(difference: &AbiInstability) -> String {
    match difference {
        AbiInstability::FieldCountMismatch(it) => {
            format!("{} fields instead of {}", it.found, it.expected)
        }
        AbiInstability::TooManyVariants(it) => {
            format!("{} variants instead of {}", it.found, it.expected)
        }
        AbiInstability::Size(it) => format!("{} bytes instead of {}", it.found, it.expected),
        AbiInstability::Alignment(it) => {
            format!("aligned to {} instead of {}", it.found, it.expected)
        }
        AbiInstability::UnexpectedField(it) => format!(
            "`{}` in the place of `{}`",
            first_line(&it.found.to_string()),
            first_line(&it.expected.to_string())
        ),
        AbiInstability::PackageVersion(it) => {
            format!("of version {} instead of {}", it.found, it.expected)
        }
        AbiInstability::Name(it) => format!(
            "`{}` in the place of `{}`",
            first_line(&it.found.to_string()),
            first_line(&it.expected.to_string())
        ),
        other => first_line(&format!("{other:?}")),
    }
}

/// One line of a description that has many: names of fields and types.
fn first_line(text: &str) -> String {
    const LONGEST: usize = 80;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let line = line.strip_prefix("field_name:").unwrap_or(line).trim();
    line.chars().take(LONGEST).collect()
}
