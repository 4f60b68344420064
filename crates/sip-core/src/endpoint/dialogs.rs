//! Which usages live in which dialog (RFC 5057).

use super::core::Owner;
use crate::dialog::DialogId;
use std::collections::HashMap;

/// The usages of each dialog, in the order in which they joined. The first began the dialog and keeps its
/// [`Dialog`](crate::dialog::Dialog): it is asked first about each request of the peer, so it counts the CSeq for all.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    sharers: HashMap<DialogId, Vec<Owner>>,
}

impl Dialogs {
    /// A usage begins a dialog, or joins one.
    pub(crate) fn join(&mut self, dialog: DialogId, usage: Owner) {
        let sharers = self.sharers.entry(dialog).or_default();
        if !sharers.contains(&usage) {
            sharers.push(usage);
        }
    }

    /// A usage is over. The dialog is, with its last one (RFC 5057 §4.1).
    pub(crate) fn leave(&mut self, dialog: &DialogId, usage: Owner) {
        if let Some(sharers) = self.sharers.get_mut(dialog) {
            sharers.retain(|sharer| *sharer != usage);
            if sharers.is_empty() {
                self.sharers.remove(dialog);
            }
        }
    }

    /// The usages of a dialog; none where there is no such dialog.
    pub(crate) fn sharers(&self, dialog: &DialogId) -> &[Owner] {
        self.sharers.get(dialog).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invitation::InvitationId;
    use crate::registration::RegistrationId;
    use bytes::Bytes;

    fn dialog(tag: &'static str) -> DialogId {
        DialogId {
            call_id: Bytes::from_static(b"1"),
            local_tag: Bytes::from_static(b"us"),
            remote_tag: Bytes::from_static(tag.as_bytes()),
        }
    }

    #[test]
    fn a_dialog_lives_as_long_as_one_of_its_usages() {
        let (call, other) = (
            Owner::Invitation(InvitationId(1)),
            Owner::Registration(RegistrationId(2)),
        );
        let mut dialogs = Dialogs::default();
        dialogs.join(dialog("a"), call);
        dialogs.join(dialog("a"), other);
        dialogs.join(dialog("a"), other);
        assert_eq!(dialogs.sharers(&dialog("a")), [call, other]);
        assert_eq!(dialogs.sharers(&dialog("b")), []);
        dialogs.leave(&dialog("a"), call);
        assert_eq!(dialogs.sharers(&dialog("a")), [other]);
        dialogs.leave(&dialog("a"), other);
        assert!(dialogs.sharers.is_empty());
    }
}
