//! The application: it takes messages unless it is busy, answers some, and now and then has
//! something to say.

use super::*;
use crate::testing::violation::Violation;
use crate::{CloseReason, Report, SendError};

/// A session as the application has it, and what is known of its browser.
#[derive(Debug)]
pub(super) struct App {
    pub(super) session: usize,
    pub(super) opened_at: Timestamp,
    /// Messages that were accepted, and those still to be sent.
    accepted: u64,
    pub(super) wanted: u64,
    /// Number of the next message. One that comes after the browser's first session ended unseen
    /// may begin anywhere: its browser does not know yet.
    taken: Option<u64>,
    /// Messages that reached the browser.
    arrived: u64,
    /// A stray receiver may have got some.
    pub(super) is_mixed: bool,
    /// It takes no messages until woken.
    pub(super) is_busy: bool,
    /// Once the session has ended: messages from that number on were reported as unsent.
    unsent_from: Option<u64>,
}

impl Simulation {
    pub(super) fn opened(&mut self, session: usize, key: SessionKey) {
        let owner = self.connections.values().find(|known| known.key == Some(key));
        let owner = owner.map(|known| (known.browser, known.generation));
        let again = owner.is_none_or(|(browser, generation)| {
            let browser = &mut self.browsers[browser];
            browser.generation != generation || std::mem::replace(&mut browser.had_session, true)
        });
        let app = App {
            session,
            opened_at: self.now,
            accepted: 0,
            wanted: 0,
            taken: (!again).then_some(0),
            arrived: 0,
            is_mixed: false,
            is_busy: false,
            unsent_from: None,
        };
        self.apps.insert(key, app);
        match self.random.below(64) {
            // Some services close at once.
            0 => self.sim.close(session, CloseReason::GO_AWAY),
            1..16 => self.say(key, 2),
            _ => {}
        }
        self.take_messages(key);
    }

    /// The application has so many messages for the browser.
    pub(super) fn say(&mut self, key: SessionKey, count: u64) {
        if let Some(app) = self.apps.get_mut(&key) {
            app.wanted += count;
            self.send_messages(key);
        }
    }

    /// Sends what is wanted, until the queue is full.
    pub(super) fn send_messages(&mut self, key: SessionKey) {
        while let Some(app) = self.apps.get_mut(&key).filter(|app| app.wanted > 0) {
            match self.sim.send(app.session, text(app.accepted)) {
                Ok(()) => {
                    app.accepted += 1;
                    app.wanted -= 1;
                }
                Err(SendError::Full(_)) => return,
                Err(_) => app.wanted = 0,
            }
        }
    }

    pub(super) fn take_messages(&mut self, key: SessionKey) {
        while let Some(app) = self.apps.get_mut(&key).filter(|app| !app.is_busy) {
            let Some(message) = self.sim.recv(app.session) else { return };
            let arrived = message.as_text().unwrap_or_default();
            let count = counted(arrived);
            if count.is_none() || app.taken.is_some_and(|next| Some(next) != count) {
                let what = format!("{message:?} was taken as number {:?}", app.taken);
                self.sim.fail(&Violation::new(1, what));
            }
            app.taken = count.map(|count| count + 1);
            self.outcome.messages += 1;
            if self.random.once_in(2) {
                self.say(key, 1);
            }
        }
    }

    pub(super) fn wake(&mut self, key: SessionKey) {
        if let Some(app) = self.apps.get_mut(&key) {
            app.is_busy = false;
            self.take_messages(key);
        }
    }

    /// Message `number` of a session reached a browser.
    pub(super) fn arrived_of(&mut self, key: SessionKey, number: u64) {
        let Some(app) = self.apps.get_mut(&key).or_else(|| self.ended.get_mut(&key)) else {
            return;
        };
        if !app.is_mixed && number != app.arrived {
            let what = format!("#{}: number {number} came after {}", app.session, app.arrived);
            self.sim.fail(&Violation::new(1, what));
        }
        if app.unsent_from.is_some_and(|from| number >= from) {
            let what = format!("#{}: number {number} was unsent, and came", app.session);
            self.sim.fail(&Violation::new(2, what));
        }
        app.arrived = app.arrived.max(number + 1);
    }

    /// The report must say what the browser knows.
    pub(super) fn closed(&mut self, key: SessionKey, report: &Report) {
        let Some(mut app) = self.apps.remove(&key) else { return };
        self.outcome.session_time += self.now.saturating_since(app.opened_at);
        let unsent_from = app.accepted - report.unsent.len() as u64;
        let (arrived, confirmed) = (app.arrived, report.confirmed);
        let right = arrived <= unsent_from && (app.is_mixed || confirmed <= arrived);
        if !right || report.accepted != app.accepted {
            let what = format!(
                "#{}: {arrived} of {} arrived, {confirmed} are confirmed, {} unsent",
                app.session,
                app.accepted,
                report.unsent.len()
            );
            self.sim.fail(&Violation::new(2, what));
        }
        app.unsent_from = Some(unsent_from);
        self.ended.insert(key, app);
    }
}
