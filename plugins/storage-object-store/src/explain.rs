//! What to do about a failure, in words.

use hayloft_plugin_api::{Error, ErrorKind};

use crate::failure::{Failure, Refusal};

/// What to do where it depends on the type of the storage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice {
    /// When there are no keys at all.
    pub(crate) no_keys: &'static str,
    /// When the store does not take the keys.
    pub(crate) wrong_keys: &'static str,
    /// When the keys are right, and may not do it.
    pub(crate) may_not: &'static str,
    /// When there is no such bucket, container or directory.
    pub(crate) no_place: &'static str,
    /// When the store cannot be reached.
    pub(crate) no_answer: &'static str,
}

/// Turns a failure into an error. `doing` is a verb and an object, `place` the
/// store's name.
pub(crate) fn explain(failure: &Failure, doing: &str, place: &str, advice: &Advice) -> Error {
    let (kind, hint) = match failure {
        Failure::Absent => (ErrorKind::NOT_FOUND, None),
        Failure::Condition => (ErrorKind::ALREADY_EXISTS, None),
        Failure::Refused(refusal) => of_refusal(refusal, advice),
        Failure::Busy(_) => (
            ErrorKind::TRANSIENT,
            Some(
                "the store is overloaded or broken; try again later, or lower <concurrency>".into(),
            ),
        ),
        Failure::Broken(_) | Failure::Unreachable(_) => {
            (ErrorKind::TRANSIENT, Some(advice.no_answer.into()))
        }
        Failure::Damaged(_) => (ErrorKind::CORRUPT, None),
        Failure::Lost(_) => (ErrorKind::TRANSIENT, Some("try again".into())),
        Failure::GivenUp(it) => return explain(it, doing, place, advice),
        Failure::NoCredentials { remedy, .. } => {
            (ErrorKind::PERMISSION, Some(remedy.unwrap_or(advice.no_keys).into()))
        }
        Failure::Nonsense(text) if text.contains("certificate") => (
            ErrorKind::OTHER,
            Some(
                "if the store has a certificate of your own authority, name it in <ca_file>".into(),
            ),
        ),
        Failure::Unsupported(_) => (ErrorKind::UNSUPPORTED, None),
        Failure::Beyond | Failure::Nonsense(_) => (ErrorKind::OTHER, None),
    };
    let error =
        Error::new(kind, failure.to_string()).context(place).context(format!("cannot {doing}"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn of_refusal(refusal: &Refusal, advice: &Advice) -> (ErrorKind, Option<String>) {
    // A clock that is wrong makes all signatures wrong.
    if let Some(ahead) = refusal.ahead.filter(|it| it.abs() > 300 && is_about_keys(refusal)) {
        let (many, way) = (ahead.unsigned_abs(), if ahead > 0 { "ahead" } else { "behind" });
        let hint = format!("the clock of this machine is {many} s {way}: set it, with NTP");
        return (ErrorKind::PERMISSION, Some(hint));
    }
    let (kind, hint) = match refusal.code.as_str() {
        "InvalidAccessKeyId" => (
            ErrorKind::PERMISSION,
            "the store does not know this access key: check <access_key_id>",
        ),
        "SignatureDoesNotMatch"
        | "AuthenticationFailed"
        | "AuthorizationFailure"
        | "InvalidAuthenticationInfo"
        | "NoAuthenticationInformation" => (ErrorKind::PERMISSION, advice.wrong_keys),
        "RequestTimeTooSkewed" => {
            (ErrorKind::PERMISSION, "the clock of this machine is wrong: set it, with NTP")
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            (ErrorKind::PERMISSION, "the temporary keys have expired: renew them")
        }
        "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" => {
            (ErrorKind::CONFIGURATION, advice.no_place)
        }
        "BlobArchived" | "BlobBeingRehydrated" | "InvalidObjectState" => {
            (ErrorKind::OTHER, "the object is archived: bring it back first, which takes hours")
        }
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "IllegalLocationConstraintException" => {
            return (ErrorKind::CONFIGURATION, Some(wrong_region(refusal)));
        }
        "InvalidBucketName" => (ErrorKind::CONFIGURATION, "correct <bucket>"),
        "InvalidStorageClass" => (ErrorKind::CONFIGURATION, "correct <storage_class>"),
        "QuotaExceeded" | "InsufficientStorage" | "ServiceQuotaExceeded" => {
            (ErrorKind::FULL, "remove objects, or ask for a larger quota")
        }
        "EntityTooLarge" => (ErrorKind::FULL, "the store takes no object that large"),
        "ObjectLocked"
        | "BlobImmutableDueToPolicy"
        | "ObjectUnderActiveHold"
        | "BlobImmutableDueToLegalHold" => {
            (ErrorKind::PERMISSION, "the object is locked; wait until its time is over")
        }
        _ => return of_status(refusal, advice),
    };
    (kind, Some(hint.to_owned()))
}

fn of_status(refusal: &Refusal, advice: &Advice) -> (ErrorKind, Option<String>) {
    match refusal.status {
        301 | 307 | 308 => (ErrorKind::CONFIGURATION, Some(wrong_region(refusal))),
        401 => (ErrorKind::PERMISSION, Some(advice.wrong_keys.to_owned())),
        403 => (ErrorKind::PERMISSION, Some(advice.may_not.to_owned())),
        404 => (ErrorKind::NOT_FOUND, None),
        405 | 501 => (ErrorKind::UNSUPPORTED, None),
        413 | 507 => (ErrorKind::FULL, Some("the store has no room left".to_owned())),
        _ => (ErrorKind::OTHER, None),
    }
}

fn wrong_region(refusal: &Refusal) -> String {
    match &refusal.region {
        Some(region) => format!("the bucket is in another region: <region>{region}</region>"),
        None => "the bucket is in another region, or behind another <endpoint>".to_owned(),
    }
}

/// Tells whether it is about who we are: what a wrong clock can be the cause of.
fn is_about_keys(refusal: &Refusal) -> bool {
    let codes = ["RequestTimeTooSkewed", "SignatureDoesNotMatch", "AuthenticationFailed"];
    codes.contains(&refusal.code.as_str())
        || refusal.code.is_empty() && matches!(refusal.status, 401 | 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_kind_and_a_remedy() {
        let cases = [
            (403, "InvalidAccessKeyId", None, ErrorKind::PERMISSION, "<access_key_id>"),
            (403, "SignatureDoesNotMatch", Some(2), ErrorKind::PERMISSION, "<password_file>"),
            (403, "SignatureDoesNotMatch", Some(900), ErrorKind::PERMISSION, "900 s ahead"),
            (403, "RequestTimeTooSkewed", Some(-4000), ErrorKind::PERMISSION, "4000 s behind"),
            (403, "RequestTimeTooSkewed", None, ErrorKind::PERMISSION, "NTP"),
            (403, "AccessDenied", Some(4000), ErrorKind::PERMISSION, "s3:PutObject"),
            (403, "", Some(0), ErrorKind::PERMISSION, "s3:ListBucket"),
            (400, "ExpiredToken", None, ErrorKind::PERMISSION, "renew"),
            (404, "NoSuchBucket", None, ErrorKind::CONFIGURATION, "create the bucket"),
            (301, "PermanentRedirect", None, ErrorKind::CONFIGURATION, "<region>eu-x</region>"),
            (400, "AuthorizationHeaderMalformed", None, ErrorKind::CONFIGURATION, "eu-x"),
            (507, "", None, ErrorKind::FULL, "no room"),
            (403, "QuotaExceeded", None, ErrorKind::FULL, "quota"),
        ];
        for (status, code, ahead, kind, hint) in cases {
            let refusal = Refusal {
                status,
                code: code.to_owned(),
                ahead,
                region: Some("eu-x".to_owned()),
                ..Refusal::default()
            };
            let error =
                explain(&Failure::Refused(refusal), "put a", "bucket b", &crate::s3::ADVICE);
            assert_eq!(error.kind(), kind, "{status} {code}");
            let told = error.remedy().unwrap_or_default();
            assert!(told.contains(hint), "{status} {code}: {told}");
            assert!(error.to_string().starts_with("cannot put a: bucket b: the store answers"));
        }
        let said = |failure| explain(&failure, "put a", "b", &crate::s3::ADVICE);
        assert!(said(Failure::Busy(Refusal::default())).is_transient());
        // Who gave up says the same as who did not.
        let away = || Failure::Unreachable("nobody is there".to_owned());
        let (given_up, plain) = (said(Failure::GivenUp(Box::new(away()))), said(away()));
        assert_eq!(given_up.to_string(), plain.to_string());
        assert_eq!(given_up.remedy(), plain.remedy());
        assert!(given_up.is_transient() && plain.remedy().unwrap().contains("network"));
    }
}
