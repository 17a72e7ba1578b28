//! How the command line connects to a database: TLS with libpq's meanings of sslmode, and passwords that are on no command line.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use registrar_tests::server_process::ServerUser;
use registrar_tests::{Cluster, Program, ProgramRun, Scratch};

/// A server whose certificate names `localhost`, the authority that signed it, and one that did not.
struct Secured {
    cluster: Cluster,
    authority: PathBuf,
    stranger: PathBuf,
    _files: Scratch,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn secured() -> &'static Secured {
    static SECURED: OnceLock<Secured> = OnceLock::new();
    SECURED.get_or_init(|| {
        let (files, server_user) = (Scratch::new().unwrap(), ServerUser::current().unwrap());
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (signer, key) = (authority("authority"), KeyPair::generate().unwrap());
        let server = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &signer).unwrap();
        let certificate = write("server.crt", &server.pem());
        let key = write("server.key", &key.serialize_pem());
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        server_user.own(&key).unwrap();
        let cluster = Cluster::builder().unwrap().setting("ssl", "on");
        let cluster = cluster.setting("ssl_cert_file", &certificate.display().to_string());
        let cluster = cluster.setting("ssl_key_file", &key.display().to_string()).start().unwrap();
        let (authority, stranger) = (write("ca.crt", &signer.pem()), write("other.crt", &authority("stranger").pem()));
        Secured { cluster, authority, stranger, _files: files }
    })
}

/// The password of the cluster's superuser, and its address without one.
fn parts(cluster: &Cluster) -> (String, String) {
    let url = cluster.postgres_database().url();
    let (user, rest) = url.split_once('@').unwrap();
    let (_, password) = user.rsplit_once(':').unwrap();
    (password.to_owned(), format!("postgresql://postgres@{rest}"))
}

/// What the line on the database says, or the failure.
fn connect(cluster: &Cluster, host: &str, options: &str, variables: &[(&str, &Path)]) -> ProgramRun {
    let (password, url) = parts(cluster);
    let url = format!("{}?{options}", url.replace("127.0.0.1", host));
    let program = Program::new().with("PGPASSWORD", password);
    let program =
        variables.iter().fold(program, |program, (name, path)| program.with(name, path.display().to_string()));
    program.json(&["env", "check", "--database-url", &url])
}

fn database_line(run: &ProgramRun) -> String {
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let lines = document["data"]["checks"].as_array().unwrap().iter();
    let mut line =
        lines.filter(|line| line["name"] == "database").map(|line| line["finding"].as_str().unwrap().to_owned());
    line.next().unwrap_or_else(|| panic!("{run:?}"))
}

#[track_caller]
fn assert_encrypted(run: &ProgramRun) {
    assert!(database_line(run).ends_with(", TLSv1.3"), "{run:?}");
}

#[track_caller]
fn assert_refused(run: &ProgramRun, reason: &str) {
    let line = database_line(run);
    assert!(line.contains("There is no connection") && line.contains(reason), "{reason}: {line}");
}

#[test]
fn a_server_that_has_tls_is_spoken_to_with_it_unless_it_is_switched_off() {
    let secured = secured();
    for options in ["", "sslmode=prefer", "sslmode=require", "sslmode=require&channel_binding=require"] {
        assert_encrypted(&connect(&secured.cluster, "127.0.0.1", options, &[]));
    }
    let plain = connect(&secured.cluster, "127.0.0.1", "sslmode=disable", &[]);
    assert!(database_line(&plain).ends_with(", not encrypted"), "{plain:?}");
}

#[test]
fn the_issuer_is_verified_where_it_is_asked_for_and_the_name_with_verify_full() {
    let secured = secured();
    let with = |mode: &str, authority: &Path| format!("sslmode={mode}&sslrootcert={}", authority.display());
    for mode in ["require", "verify-ca"] {
        assert_encrypted(&connect(&secured.cluster, "127.0.0.1", &with(mode, &secured.authority), &[]));
        assert_refused(&connect(&secured.cluster, "127.0.0.1", &with(mode, &secured.stranger), &[]), "UnknownIssuer");
    }
    let full = with("verify-full", &secured.authority);
    assert_encrypted(&connect(&secured.cluster, "localhost", &full, &[]));
    assert_refused(&connect(&secured.cluster, "127.0.0.1", &full, &[]), "not valid for name");
    let stranger = with("verify-full", &secured.stranger);
    assert_refused(&connect(&secured.cluster, "localhost", &stranger, &[]), "UnknownIssuer");
}

#[test]
fn without_a_file_the_authorities_are_those_of_the_system() {
    let secured = secured();
    let full = "sslmode=verify-full";
    assert_refused(&connect(&secured.cluster, "localhost", full, &[]), "certificate");
    assert_encrypted(&connect(&secured.cluster, "localhost", full, &[("SSL_CERT_FILE", &secured.authority)]));
    let variable = [("PGSSLROOTCERT", secured.stranger.as_path())];
    assert_refused(&connect(&secured.cluster, "localhost", full, &variable), "UnknownIssuer");
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let cluster = Cluster::builder().unwrap().start().unwrap();
    assert_refused(&connect(&cluster, "127.0.0.1", "sslmode=require", &[]), "server does not support TLS");
    let plain = connect(&cluster, "127.0.0.1", "", &[]);
    assert!(database_line(&plain).ends_with(", not encrypted"), "{plain:?}");
}

#[test]
fn the_password_comes_from_a_variable_or_from_a_file_that_nobody_else_may_read() {
    let cluster = &secured().cluster;
    let (password, url) = parts(cluster);
    let program = Program::new().with("DATABASE_URL", &url);
    let check = |program: &Program| program.json(&["env", "check"]);
    assert_refused(&check(&program), "password");
    let file = program.directory().join(".pgpass");
    fs::write(&file, format!("127.0.0.1:{}:*:postgres:{password}\n", cluster.port())).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert_encrypted(&check(&program));
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let open = check(&program);
    assert_refused(&open, "password");
    assert!(open.stderr.contains("chmod 0600"), "{open:?}");

    let elsewhere = program.directory().join("passwords");
    fs::write(&elsewhere, format!("*:*:*:*:{password}\n")).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).unwrap();
    assert_encrypted(&check(&program.with("PGPASSFILE", elsewhere.display().to_string())));
}
