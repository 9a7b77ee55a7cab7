use std::{collections::HashMap, fs};

use hayloft_plugin_api::{Configuration, conformance::Section};

use super::*;
use crate::config::S3Config;

fn settings(section: Section) -> S3Settings {
    S3Config::decode(section.set("bucket", "b").node()).value.unwrap().own
}

fn plain() -> S3Settings {
    settings(Section::new("storage"))
}

/// What is found with files and variables, as text without secrets but with
/// their lengths.
fn found(own: &S3Settings, variables: &[(&str, &str)]) -> String {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let access = find_in(own, &|name| variables.get(name).map(|it| (*it).to_owned()));
    let access = match access {
        Ok(access) => access,
        Err(error) => return format!("{error}; {}", error.remedy().unwrap_or_default()),
    };
    let keys = match access.keys {
        Keys::Fixed { id, secret, token } => {
            format!("{id} {} {}", secret.expose(), token.is_some())
        }
        Keys::WebIdentity { token_file, role, session, giver } => {
            let giver = giver.map_or(String::new(), |it| format!(" {}", it.as_str()));
            format!("{} {role} {session:?}{giver}", token_file.display())
        }
        Keys::Surroundings => "surroundings".to_owned(),
    };
    format!("{keys} {}", access.region.unwrap_or_default())
}

#[test]
fn the_first_place_with_keys_counts() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let write =
        |name: &str, text: &str| fs::write(home.path().join(".aws").join(name), text).unwrap();
    write(
        "credentials",
        "[default]\naws_access_key_id = FILE\naws_secret_access_key = f/+=\\x#y\n\
         [temporary]\naws_access_key_id=T\naws_secret_access_key=t\naws_session_token=s\n",
    );
    write(
        "config",
        "[default]\nregion = file-1\ns3 =\n  max_concurrent_requests = 10\n\
         [profile temporary]\nregion=file-2\n[profile web]\nweb_identity_token_file=/token\n\
         role_arn=arn:role\n[profile sso]\nsso_session=x\n[profile empty]\nregion=file-3\n",
    );
    let at = ("HOME", home.path().to_str().unwrap());
    let environment = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "e")];
    let fixed = Section::new("storage").set("access_key_id", "XML").set("password", "x");
    let profile = |name: &str| settings(Section::new("storage").set("profile", name));
    let all = [&environment[..], &[at]].concat();
    let cases = [
        (settings(fixed), all.clone(), "XML x false "),
        (plain(), all.clone(), "ENV e false file-1"),
        (plain(), environment.to_vec(), "ENV e false "),
        (plain(), [&all[..], &[("AWS_REGION", "env-1")]].concat(), "ENV e false env-1"),
        (plain(), [&all[..], &[("AWS_SESSION_TOKEN", "s")]].concat(), "ENV e true file-1"),
        (plain(), vec![at], "FILE f/+=\\x#y false file-1"),
        (plain(), vec![at, ("AWS_PROFILE", "temporary")], "T t true file-2"),
        (profile("temporary"), all.clone(), "T t true file-2"),
        (profile("web"), vec![at], "/token arn:role None "),
        (profile("empty"), vec![at], "surroundings file-3"),
        (
            plain(),
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn")],
            "/t arn None ",
        ),
        (plain(), vec![], "surroundings "),
    ];
    for (own, variables, expected) in cases {
        assert_eq!(found(&own, &variables), expected, "{variables:?}");
    }
    let elsewhere = home.path().join(".aws");
    let elsewhere = Section::new("storage").set("profile_dir", elsewhere.to_str().unwrap());
    let found_there = found(&settings(elsewhere), &[("HOME", "/nowhere")]);
    assert_eq!(found_there, "FILE f/+=\\x#y false file-1");
    let told = found(&profile("none"), &[at]);
    assert!(told.contains("there is no profile none in"), "{told}");
    let told = found(&profile("sso"), &[at]);
    assert!(told.contains("profile sso gets its keys by sso_session"), "{told}");
    write("config", "[default\nsecret-word\n");
    let told = found(&plain(), &[at]);
    assert!(told.contains(".aws/config:3: this is no INI file"), "{told}");
    assert!(!told.contains("secret-word"), "{told}");
}

#[test]
fn a_token_goes_where_amazons_programs_would_send_it() {
    let home = tempfile::tempdir().unwrap();
    let config = "[profile plain]\nweb_identity_token_file=/token\nrole_arn=arn\n\
                  [profile given]\nweb_identity_token_file=/token\nrole_arn=arn\n\
                  role_session_name=night\nservices=own\n\
                  [services own]\nsts =\n  endpoint_url = https://sts.own\n";
    fs::write(home.path().join("config"), config).unwrap();
    let profile = |name: &str| {
        let section = Section::new("storage").set("profile", name);
        settings(section.set("profile_dir", home.path().to_str().unwrap()))
    };
    let own = ("AWS_ENDPOINT_URL_STS", "https://sts.env");
    let all = ("AWS_ENDPOINT_URL", "https://all");
    let cases = [
        ("plain", vec![], "/token arn None "),
        ("plain", vec![all], "/token arn None https://all "),
        ("plain", vec![all, own], "/token arn None https://sts.env "),
        ("given", vec![], "/token arn Some(\"night\") https://sts.own "),
        ("given", vec![own], "/token arn Some(\"night\") https://sts.env "),
    ];
    for (name, variables, expected) in cases {
        assert_eq!(found(&profile(name), &variables), expected, "{name} {variables:?}");
    }
    let told = found(&profile("plain"), &[("AWS_ENDPOINT_URL_STS", "http://sts.env")]);
    assert!(told.contains("http://sts.env is not encrypted"), "{told}");
    assert!(told.contains("with https://, in AWS_ENDPOINT_URL_STS"), "{told}");
}

#[test]
fn the_store_is_where_amazons_programs_would_look_for_it() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let config = "[default]\nregion = r\nservices = here\nendpoint_url = https://default\n\
                  [profile plain]\ns3 =\n  endpoint_url = https://not-this\nendpoint_url=https://plain/base/\n\
                  [profile services]\nservices = other\nendpoint_url = https://general\n\
                  [profile ignoring]\nignore_configured_endpoint_urls = True\n\
                  endpoint_url = https://ignored\n[profile bad]\nendpoint_url = nowhere\n\
                  [services here]\ndynamodb =\n  endpoint_url = https://dynamo\n\
                  s3 =\n  addressing_style = path\n  endpoint_url = https://s3-here\n\
                  [services other]\ndynamodb =\n  endpoint_url = https://dynamo\n";
    fs::write(home.path().join(".aws/config"), config).unwrap();
    let at = ("HOME", home.path().to_str().unwrap());
    let all = ("AWS_ENDPOINT_URL", "https://all");
    let s3 = ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/");
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let profile = |name| ("AWS_PROFILE", name);
    let endpoint = |own: &S3Settings, variables: &[(&str, &str)]| {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let access = find_in(own, &|name| variables.get(name).map(|it| (*it).to_owned()));
        match access {
            Ok(access) => access.endpoint.map_or("Amazon".to_owned(), |it| it.as_str().to_owned()),
            Err(error) => format!("{error}"),
        }
    };
    let fixed = || Section::new("storage").set("access_key_id", "XML").set("password", "x");
    let configured = settings(fixed().set("endpoint", "https://xml"));
    let broken = ("AWS_ENDPOINT_URL", "nowhere");
    let cases = [
        (configured, vec![at, s3, broken], "https://xml"),
        (settings(fixed()), vec![at, all], "https://all"),
        (settings(fixed()), vec![at], "Amazon"),
        (plain(), vec![at, all, s3], "http://127.0.0.1:9000"),
        (plain(), vec![at, all], "https://all"),
        (plain(), vec![at], "https://s3-here"),
        (plain(), vec![at, profile("plain")], "https://plain/base"),
        (plain(), vec![at, profile("services")], "https://general"),
        (plain(), vec![at, profile("ignoring")], "Amazon"),
        (plain(), vec![at, all, s3, ignore], "Amazon"),
        (plain(), vec![], "Amazon"),
    ];
    for (own, variables, expected) in cases {
        assert_eq!(endpoint(&own, &variables), expected, "{variables:?}");
    }
    let told = endpoint(&plain(), &[broken]);
    assert!(told.starts_with("the variable AWS_ENDPOINT_URL does not say where"), "{told}");
    let told = endpoint(&plain(), &[at, profile("bad")]);
    assert!(told.contains("`endpoint_url` of the profile bad"), "{told}");
}

#[test]
fn a_secret_that_cannot_be_read_is_an_error_and_nothing_else_is_tried() {
    let section = Section::new("storage").set("access_key_id", "A").set("password_file", "/none");
    let environment = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "e")];
    let told = found(&settings(section), &environment);
    assert!(told.contains("cannot read password file /none"), "{told}");
}
