//! The endpoint's publications.

use super::Endpoint;
use crate::header::Event;
use crate::publication::{Publication, PublicationId, PublicationMut, Publish, PublishError};
use std::time::Instant;

impl Endpoint {
    /// Makes a publication, which publishes nothing until it is told to.
    pub fn add_publication(&mut self, publish: Publish) -> Result<PublicationId, PublishError> {
        let limit = self.core.config.limits.publications;
        if self.publications.len() >= limit {
            return Err(PublishError::Limit { limit });
        }
        if publish.routes.is_empty() {
            return Err(PublishError::NoRoute);
        }
        if Event::new(&publish.event).is_none() {
            return Err(PublishError::Event(publish.event));
        }
        let id = PublicationId(self.fresh_number());
        let publication = Publication::new(&mut self.core, id, publish);
        self.publications.insert(id, publication);
        Ok(id)
    }

    /// A publication; `None` once it is closed.
    pub fn publication(&mut self, id: PublicationId) -> Option<PublicationMut<'_>> {
        let (publication, schedule) = self.publications.lend(&mut self.core, id)?;
        Some(PublicationMut::new(publication, &mut self.core, schedule))
    }

    /// Takes the state back, if any stands, and forgets the publication. The server is given 2 s.
    pub fn close_publication(&mut self, now: Instant, id: PublicationId) {
        self.publications.with(&mut self.core, id, |publication, core| {
            publication.close(core, now);
        });
    }
}
