//! The machine around the plan: queries out, answers in, time.

use crate::plan::{Answers, Plan, Question};
use crate::{Answer, LookupError, LookupOptions, Query, QueryError, QueryId, Target};
use offhook_sansio::{Entropy, Outbox, earliest};
use offhook_sip_core::SipUri;
use std::time::{Duration, Instant};

/// One lookup of one URI (RFC 3263 §4).
///
/// After [`new`](Self::new) and after each `handle_*`: drain [`poll_query`](Self::poll_query), look at
/// [`result`](Self::result), sleep until [`poll_timeout`](Self::poll_timeout). Answers may come in any order;
/// those that nobody asked for are ignored.
#[derive(Debug)]
pub struct Lookup {
    plan: Option<Plan>,
    answers: Answers,
    pending: Vec<Pending>,
    queries: Outbox<Query>,
    asked: usize,
    most_queries: usize,
    most_targets: usize,
    query_timeout: Duration,
    deadline: Instant,
    entropy: Entropy,
    result: Option<Result<Vec<Target>, LookupError>>,
}

#[derive(Debug)]
struct Pending {
    id: QueryId,
    question: Question,
    deadline: Instant,
}

impl Lookup {
    /// Starts a lookup. `entropy` chooses among SRV records of equal priority.
    pub fn new(now: Instant, uri: &SipUri, options: LookupOptions, entropy: Entropy) -> Self {
        let mut lookup = Self {
            plan: None,
            answers: Answers::new(),
            pending: Vec::new(),
            queries: Outbox::new(),
            asked: 0,
            most_queries: options.limits.queries,
            most_targets: options.limits.targets,
            query_timeout: options.query_timeout,
            deadline: now + options.lifetime,
            entropy,
            result: None,
        };
        match Plan::new(uri, options) {
            Ok(plan) => lookup.plan = Some(plan),
            Err(error) => lookup.result = Some(Err(error)),
        }
        lookup.proceed(now);
        lookup
    }

    /// The next query to make, until `None`.
    #[must_use = "a query that is taken and not made times out"]
    pub fn poll_query(&mut self) -> Option<Query> {
        self.queries.pop()
    }

    /// Takes the answer to a query.
    pub fn handle_answer(&mut self, now: Instant, id: QueryId, answer: Answer) {
        if let Some(place) = self.pending.iter().position(|pending| pending.id == id) {
            let Pending { question, .. } = self.pending.swap_remove(place);
            self.answers.insert(question, answer);
            self.proceed(now);
        }
    }

    /// Gives up on queries, and in the end on the lookup, whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let over = now >= self.deadline;
        let before = self.pending.len();
        let answers = &mut self.answers;
        self.pending.retain(|pending| {
            let late = over || now >= pending.deadline;
            if late {
                answers.insert(pending.question.clone(), Err(QueryError::Timeout));
            }
            !late
        });
        if over || self.pending.len() != before {
            self.proceed(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.result.is_some() {
            return None;
        }
        let soonest = self.pending.iter().map(|pending| pending.deadline).min();
        earliest(soonest, Some(self.deadline))
    }

    /// Where to send, in the order in which to try; `None` while queries are under way. At least one target when it
    /// succeeds.
    pub fn result(&self) -> Option<Result<&[Target], &LookupError>> {
        self.result.as_ref().map(|result| match result {
            Ok(targets) => Ok(targets.as_slice()),
            Err(error) => Err(error),
        })
    }

    /// Walks the plan with what is known, and asks for what it lacks.
    fn proceed(&mut self, now: Instant) {
        let Some(plan) = self.plan.as_ref().filter(|_| self.result.is_none()) else {
            return;
        };
        loop {
            let questions = match plan.walk(&self.answers, &mut self.entropy) {
                Ok(result) => {
                    self.result = Some(result.map(|targets| unique(targets, self.most_targets)));
                    self.pending.clear();
                    self.queries = Outbox::new();
                    return;
                }
                Err(questions) => questions,
            };
            // A question that may not be asked any more counts as one without an answer: the plan goes its
            // fall-backs with what is there. Each turn answers one at least, so the loop ends.
            let mut given_up = false;
            for question in questions {
                if self.pending.iter().any(|pending| pending.question == question) {
                    continue;
                }
                if now >= self.deadline || self.asked >= self.most_queries {
                    self.answers.insert(question, Err(QueryError::Timeout));
                    given_up = true;
                    continue;
                }
                let id = QueryId(self.asked as u32);
                self.asked += 1;
                let (kind, name) = question.clone();
                tracing::trace!(%kind, name, target = plan.name(), "query");
                self.queries.push(Query { id, name, kind });
                self.pending.push(Pending {
                    id,
                    question,
                    deadline: self.deadline.min(now + self.query_timeout),
                });
            }
            if !given_up {
                return;
            }
        }
    }
}

/// The first targets of the list, each once.
fn unique(targets: Vec<Target>, most: usize) -> Vec<Target> {
    let mut list: Vec<Target> = Vec::with_capacity(targets.len().min(most));
    for target in targets {
        if list.len() < most && !list.contains(&target) {
            list.push(target);
        }
    }
    list
}
