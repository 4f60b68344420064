//! Kamailio as an MSRP relay: its `msrp` module with the routing script that its README shows.

use super::child::{Running, Signal, wait};
use super::disagreement::Disagreement;
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// The relay's name: its realm, and what its certificate is for.
pub(super) const DOMAIN: &str = "relay.test";

/// How long its processes take to end once the first of them is told.
const FAREWELL: Duration = Duration::from_millis(700);

impl Drop for MsrpRelay {
    fn drop(&mut self) {
        // Killed outright, it would leave its further processes behind.
        let _ = self.running.signal(Signal::Terminate);
        std::thread::sleep(FAREWELL);
    }
}

/// A running relay. Every user has the password `USERpw`.
#[derive(Debug)]
pub(super) struct MsrpRelay {
    running: Running,
    port: u16,
    certificate: PathBuf,
    is_secure: bool,
}

impl MsrpRelay {
    /// Starts it on a seat's port, with TLS or without.
    pub(super) fn start(stage: &Stage<'_>, seat: Seat, is_secure: bool) -> Result<Self, Disagreement> {
        let port = stage.ports().sip(seat);
        let certificate = stage.file("relay.pem");
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={DOMAIN}"), "-addext"])
            .arg(format!("subjectAltName=DNS:{DOMAIN}"))
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(stage.file("relay.key"))
            .arg("-out")
            .arg(&certificate);
        Running::start(stage, "openssl", &mut openssl)?.end(stage, PATIENCE)?;
        let script = stage.file("kamailio.cfg");
        let template = stage.asset("msrp_relay.cfg");
        let text =
            std::fs::read_to_string(&template).map_err(|cause| Disagreement::file(&template, cause))?;
        let (scheme, listen) = if is_secure {
            ("msrps", "tls")
        } else {
            ("msrp", "tcp")
        };
        let text = text
            .replace("@PORT@", &port.to_string())
            .replace("@SCHEME@", scheme)
            .replace("@LISTEN@", listen)
            .replace("@FOLDER@", &stage.folder().display().to_string());
        std::fs::write(&script, text).map_err(|cause| Disagreement::file(&script, cause))?;
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8", "-f"])
            .arg(&script)
            .arg("-Y")
            .arg(stage.folder())
            .arg("-P")
            .arg(stage.file("kamailio.pid"));
        if is_secure {
            command.args(["-A", "WITH_TLS"]);
        }
        let running = Running::start(stage, "kamailio", &mut command)?;
        wait(stage, "kamailio", "MSRP port", PATIENCE, || {
            Ok(TcpStream::connect((LOOPBACK, port)).ok())
        })?;
        Ok(Self {
            running,
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

    /// What it complained of first: nothing, when all went well.
    pub(super) fn complaints(&self) -> Result<Vec<String>, Disagreement> {
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
