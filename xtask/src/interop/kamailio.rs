//! Kamailio: as an MSRP relay, and as a registrar, proxy and presence server. Every user has the password `USERpw`.

use super::child::{Running, Signal, wait};
use super::disagreement::Disagreement;
use super::ports::{LOOPBACK, Seat};
use super::program::CommandLine;
use super::stage::Stage;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// The relay's name: its realm, and what its certificate is for.
pub(super) const DOMAIN: &str = "relay.test";
/// The domain that the SIP server serves: its realm, and what its certificate is for.
const SIP_DOMAIN: &str = "example.test";

/// How long its processes take to end once the first of them is told.
const FAREWELL: Duration = Duration::from_millis(700);

/// A running Kamailio.
#[derive(Debug)]
struct Kamailio {
    running: Running,
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Killed outright, it would leave its further processes behind.
        let _ = self.running.signal(Signal::Terminate);
        std::thread::sleep(FAREWELL);
    }
}

impl Kamailio {
    /// Starts it by a script of ours in which these words are replaced, and waits for a TCP port of it.
    fn start(
        stage: &Stage<'_>,
        asset: &str,
        words: &[(&str, &str)],
        further: &[&str],
        port: u16,
    ) -> Result<Self, Disagreement> {
        let script = stage.file("kamailio.cfg");
        let template = stage.asset(asset);
        let mut text =
            std::fs::read_to_string(&template).map_err(|cause| Disagreement::file(&template, cause))?;
        for (name, value) in words {
            text = text.replace(name, value);
        }
        text = text.replace("@FOLDER@", &stage.folder().display().to_string());
        std::fs::write(&script, text).map_err(|cause| Disagreement::file(&script, cause))?;
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(&script)
            .arg("-Y")
            .arg(stage.folder())
            .arg("-P")
            .arg(stage.file("kamailio.pid"))
            .args(further);
        let kamailio = Self {
            running: Running::start(stage, "kamailio", &mut command)?,
        };
        wait(stage, "kamailio", "TCP port", PATIENCE, || {
            Ok(TcpStream::connect((LOOPBACK, port)).ok())
        })?;
        Ok(kamailio)
    }

    fn complaints(&self) -> Result<Vec<String>, Disagreement> {
        let log = self.running.stderr()?;
        let is_complaint = |line: &&str| line.contains("ERROR:") || line.contains("CRITICAL:");
        Ok(log
            .lines()
            .filter(is_complaint)
            .take(3)
            .map(str::to_owned)
            .collect())
    }
}

/// A certificate for a domain, signed by itself, and its key: `NAME.pem` and `NAME.key`.
fn certify(stage: &Stage<'_>, name: &str, domain: &str) -> Result<PathBuf, Disagreement> {
    let certificate = stage.file(&format!("{name}.pem"));
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={domain}"), "-addext"])
        .arg(format!("subjectAltName=DNS:{domain},IP:{LOOPBACK}"))
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(stage.file(&format!("{name}.key")))
        .arg("-out")
        .arg(&certificate);
    Running::start(stage, "openssl", &mut openssl)?.end(stage, PATIENCE)?;
    Ok(certificate)
}

/// Kamailio with its `msrp` module and the routing script that its README shows.
#[derive(Debug)]
pub(super) struct MsrpRelay {
    kamailio: Kamailio,
    port: u16,
    certificate: PathBuf,
    is_secure: bool,
}

impl MsrpRelay {
    /// Starts it on a seat's port, with TLS or without.
    pub(super) fn start(stage: &Stage<'_>, seat: Seat, is_secure: bool) -> Result<Self, Disagreement> {
        let port = stage.ports().sip(seat);
        let certificate = certify(stage, "relay", DOMAIN)?;
        let (scheme, listen) = if is_secure {
            ("msrps", "tls")
        } else {
            ("msrp", "tcp")
        };
        let words = [
            ("@PORT@", port.to_string()),
            ("@SCHEME@", scheme.to_owned()),
            ("@LISTEN@", listen.to_owned()),
        ];
        let words = words.each_ref().map(|(name, value)| (*name, value.as_str()));
        let further: &[&str] = if is_secure { &["-A", "WITH_TLS"] } else { &[] };
        Ok(Self {
            kamailio: Kamailio::start(stage, "msrp_relay.cfg", &words, further, port)?,
            port,
            certificate,
            is_secure,
        })
    }

    /// The options by which our examples use it as this user, with this password.
    pub(super) fn options(&self, user: &str, password: &str) -> Vec<String> {
        let mut words = ["--relay", "--relay-domain", "--relay-user", "--relay-password"]
            .into_iter()
            .zip([
                format!("{LOOPBACK}:{}", self.port),
                DOMAIN.to_owned(),
                user.to_owned(),
                password.to_owned(),
            ])
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect::<Vec<_>>();
        if self.is_secure {
            words.extend(["--ca".to_owned(), self.certificate.display().to_string()]);
        } else {
            words.push("--relay-plain".to_owned());
        }
        words
    }

    /// The same for a command line of `offhook`, by which it believes the relay.
    pub(super) fn used_by(
        &self,
        stage: &Stage<'_>,
        line: CommandLine,
        user: &str,
    ) -> Result<CommandLine, Disagreement> {
        let password = stage.file(&format!("{user}.password"));
        std::fs::write(&password, format!("{user}pw"))
            .map_err(|cause| Disagreement::file(&password, cause))?;
        let transport = if self.is_secure { "tls" } else { "tcp" };
        Ok(line
            .option(
                "--relay",
                &format_args!("{LOOPBACK}:{};transport={transport}", self.port),
            )
            .option("--relay-user", &user)
            .option("--relay-password-file", &password.display())
            .option("--ca-file", &self.certificate.display()))
    }

    /// What it complained of first: nothing, when all went well.
    pub(super) fn complaints(&self) -> Result<Vec<String>, Disagreement> {
        self.kamailio.complaints()
    }
}

/// Where Debian keeps the empty tables of Kamailio.
const TABLES: &str = "/usr/share/kamailio/dbtext/kamailio";

/// Kamailio as registrar, proxy and presence server, for UDP, TCP and WebSocket at one port and TLS at the next.
#[derive(Debug)]
pub(super) struct SipServer {
    kamailio: Kamailio,
    port: u16,
    certificate: PathBuf,
}

impl SipServer {
    /// Starts it on a seat's ports.
    pub(super) fn start(stage: &Stage<'_>, seat: Seat) -> Result<Self, Disagreement> {
        let port = stage.ports().sip(seat);
        let certificate = certify(stage, "proxy", SIP_DOMAIN)?;
        let tables = stage.file("tables");
        std::fs::create_dir(&tables).map_err(|cause| Disagreement::file(&tables, cause))?;
        for table in ["version", "presentity", "active_watchers", "watchers", "xcap"] {
            let from = Path::new(TABLES).join(table);
            std::fs::copy(&from, tables.join(table)).map_err(|cause| Disagreement::file(&from, cause))?;
        }
        let (plain, secure) = (port.to_string(), (port + 1).to_string());
        let words = [("@PORT@", plain.as_str()), ("@TLS_PORT@", secure.as_str())];
        Ok(Self {
            kamailio: Kamailio::start(stage, "registrar_proxy.cfg", &words, &[], port)?,
            port,
            certificate,
        })
    }

    /// Its port for a transport.
    pub(super) fn port(&self, transport: &str) -> u16 {
        if transport == "tls" {
            self.port + 1
        } else {
            self.port
        }
    }

    /// Whom TLS has to believe.
    pub(super) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// A command of ours as this user of it, by this transport, from a free port.
    pub(super) fn used_by(
        &self,
        stage: &Stage<'_>,
        command: CommandLine,
        user: &str,
        transport: &str,
    ) -> Result<CommandLine, Disagreement> {
        let password = stage.file(&format!("{user}.password"));
        std::fs::write(&password, format!("{user}pw\n"))
            .map_err(|cause| Disagreement::file(&password, cause))?;
        let proxy = format!("sip:{LOOPBACK}:{};transport={transport};lr", self.port(transport));
        Ok(command
            .option("--account", &format_args!("sip:{user}@{SIP_DOMAIN}"))
            .option("--password-file", &password.display())
            .option("--proxy", &proxy)
            .option("--transport", &transport)
            .option("--ca-file", &self.certificate.display()))
    }

    /// What it complained of first: nothing, when all went well.
    pub(super) fn complaints(&self) -> Result<Vec<String>, Disagreement> {
        self.kamailio.complaints()
    }
}
