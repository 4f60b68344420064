//! The media side of a user agent: RTP on the media thread, MSRP in tasks.

use super::external_tools::ExternalTools;
use super::media_ports::{RtpPorts, Sockets};
use super::media_thread::{MediaThread, Order};
use super::msrp_streams::MsrpStreams;
use crate::media::{LocalMedia, LocalMsrp, MediaCommand, MediaPlane, OpenError, RelayPlace, StreamId};
use offhook_rtp_media::dtls::{CertificateError, DtlsCertificate};
use offhook_sansio::Entropy;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Opens ports, and hands each command to the side that its stream lives on.
pub(super) struct Plane {
    thread: MediaThread,
    rtp: RtpPorts,
    msrp: MsrpStreams,
    tools: ExternalTools,
    next_stream: u32,
    entropy: Entropy,
    /// Made when the first stream needs it, unless the application has one.
    certificate: Option<DtlsCertificate>,
}

impl Plane {
    pub(super) fn new(
        thread: MediaThread,
        rtp: RtpPorts,
        msrp: MsrpStreams,
        tools: ExternalTools,
        entropy: Entropy,
        certificate: Option<DtlsCertificate>,
    ) -> Self {
        Self {
            thread,
            rtp,
            msrp,
            tools,
            next_stream: 0,
            entropy,
            certificate,
        }
    }

    fn next_stream(&mut self) -> StreamId {
        let stream = StreamId(self.next_stream);
        self.next_stream = self.next_stream.wrapping_add(1);
        stream
    }
}

impl Plane {
    /// A pair of ports for a new stream.
    fn bind(&mut self, local: IpAddr) -> Result<(LocalMedia, Sockets), OpenError> {
        let sockets = self.rtp.bind_pair(local)?;
        let addresses = || -> io::Result<_> { Ok((sockets.rtp.local_addr()?, sockets.rtcp.local_addr()?)) };
        let (rtp, rtcp) = addresses().map_err(|error| system(local, &error))?;
        let stream = self.next_stream();
        Ok((LocalMedia { stream, rtp, rtcp }, sockets))
    }
}

impl MediaPlane for Plane {
    /// Connecting a UDP socket sends nothing, and tells which of our addresses leads to the peer.
    fn local_ip(&mut self, peer: IpAddr) -> Result<IpAddr, OpenError> {
        let any: IpAddr = if peer.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let probe = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((peer, 9))?;
            socket.local_addr()
        });
        probe.map(|local| local.ip()).map_err(|cause| OpenError::NoWay {
            peer,
            cause: cause.to_string(),
        })
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let (media, sockets) = self.bind(local)?;
        self.thread.send(Order::Open(media.stream, sockets));
        Ok(media)
    }

    fn open_tool(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let (media, sockets) = self.bind(local)?;
        self.tools.reserve(media.stream, sockets);
        Ok(media)
    }

    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError> {
        let stream = self.next_stream();
        let path = self
            .msrp
            .open(stream, local)
            .map_err(|error| system(local, &error))?;
        Ok(LocalMsrp {
            stream,
            path,
            fingerprint: Some(self.msrp.fingerprint().clone()),
        })
    }

    fn open_msrp_at_relay(&mut self, place: RelayPlace) -> Result<LocalMsrp, OpenError> {
        let stream = self.next_stream();
        let path = self.msrp.open_at_relay(stream, place);
        Ok(LocalMsrp {
            stream,
            path: path.ok_or(OpenError::NoRelay)?,
            fingerprint: None,
        })
    }

    fn open_viewer(&mut self, stream: StreamId, address: SocketAddr) -> Result<SocketAddr, OpenError> {
        self.msrp
            .open_viewer(stream, address)
            .map_err(|error| OpenError::Viewer {
                address,
                cause: error.to_string(),
            })
    }

    fn entropy(&mut self) -> Entropy {
        self.entropy.fork()
    }

    fn certificate(&mut self) -> Result<DtlsCertificate, CertificateError> {
        if let Some(certificate) = &self.certificate {
            return Ok(certificate.clone());
        }
        let made = DtlsCertificate::generate()?;
        Ok(self.certificate.insert(made).clone())
    }

    fn send(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Msrp { stream, command } => self.msrp.command(stream, command),
            MediaCommand::StartTool { stream, start } => self.tools.start(stream, *start),
            MediaCommand::Stop { stream } if self.msrp.stop(stream) || self.tools.stop(stream) => {}
            command => self.thread.send(Order::Engine(command)),
        }
    }
}

fn system(address: IpAddr, error: &io::Error) -> OpenError {
    OpenError::System {
        address,
        cause: error.to_string(),
    }
}
