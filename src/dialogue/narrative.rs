//! A dry run told to people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::dialogue::noted::Note;
use crate::dialogue::recorder::{self, Recorded};
use crate::dialogue::rehearsal::{End, Rehearsal};
use crate::dialogue::script;
use crate::dialogue::secrets::Secrets;
use crate::mapping::model::Attempt;
use crate::native::message::{NativeResponse, Payload};
use crate::sidecar::entry::{Entry, EntryState};

/// Most characters of an answer of the application.
const LONGEST: usize = 4000;

/// The whole story; the last line says how it ended.
pub fn tell(attempt: &Attempt, rehearsal: &Rehearsal, secrets: &Secrets) -> String {
    let mut story = Story(String::new());
    story.line(0, &secrets.text(&attempt.scim));
    if let Some(body) = &attempt.body {
        story.line(1, &secrets.value(body).to_string());
    }
    if let Some(answered) = &rehearsal.filter {
        story.title("Filter");
        story.line(1, &format!("the application is asked {}", secrets.text(&answered.asked)));
        let here = answered.here.as_deref().map(|filter| secrets.text(filter));
        let here = here.unwrap_or_else(|| "nothing: its answer is taken as it is".to_owned());
        story.line(1, &format!("the bridge filters by   {here}"));
    }
    story.title("Native calls");
    if rehearsal.calls.is_empty() {
        story.line(1, "none");
    }
    for (index, recorded) in rehearsal.calls.iter().enumerate() {
        call(index + 1, recorded, rehearsal, secrets, &mut story);
    }
    story.title("Side-car");
    if rehearsal.notes.is_empty() {
        story.line(1, "nothing is written");
    }
    for written in &rehearsal.notes {
        story.line(1, &secrets.text(&note(written, secrets)));
    }
    answer(rehearsal, secrets, &mut story);
    story.0
}

/// Lines, indented.
struct Story(String);

impl Story {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "{}{text}", "  ".repeat(depth));
    }

    fn title(&mut self, text: &str) {
        let _ = writeln!(self.0, "\n{text}");
    }
}

fn call(
    number: usize,
    recorded: &Recorded,
    rehearsal: &Rehearsal,
    secrets: &Secrets,
    story: &mut Story,
) {
    story.line(1, &format!("{number}. {}", secrets.text(&recorder::target(&recorded.request))));
    for (name, value) in &recorded.request.headers {
        story.line(3, &format!("{name}: {}", secrets.header(name, value)));
    }
    let body = script::body(&recorded.request.body);
    if !body.is_null() {
        story.line(3, &secrets.value(&body).to_string());
    }
    let outcome = match (&recorded.answer, &rehearsal.end, &recorded.failure) {
        (Some(answer), _, _) => native(answer, secrets),
        (None, End::HeldBack, _) if !recorded.request.method.is_safe() => {
            "not sent: a dry run writes nothing".to_owned()
        }
        (None, _, Some(failure)) => format!("no answer: {}", secrets.text(failure)),
        (None, _, None) => "no answer".to_owned(),
    };
    story.line(2, &format!("-> {outcome}"));
}

fn native(answer: &NativeResponse, secrets: &Secrets) -> String {
    let body = match &*answer.body {
        Payload::Empty => return answer.status.to_string(),
        Payload::Json(value) => secrets.value(value).to_string(),
        Payload::Text(text) => secrets.text(text),
    };
    let mut shown: String = body.chars().take(LONGEST).collect();
    if shown.len() < body.len() {
        shown.push('…');
    }
    format!("{} {shown}", answer.status)
}

fn note(note: &Note, secrets: &Secrets) -> String {
    match note {
        Note::Issued { resource, key, id } => {
            format!("{resource} {id}: this id is issued for the key {key}")
        }
        Note::Forgotten { resource, id } => format!("{resource} {id}: forgotten"),
        Note::Kept { resource, entry } => {
            format!("{resource} {}: {}", entry.id, kept(entry, secrets))
        }
    }
}

fn kept(entry: &Entry, secrets: &Secrets) -> String {
    let attributes = secrets.value(&Value::Object(entry.attributes.clone()));
    let attributes = if entry.attributes.is_empty() {
        "no attributes".to_owned()
    } else {
        attributes.to_string()
    };
    match &entry.state {
        EntryState::Live => format!("key {}, {attributes}", entry.key),
        EntryState::Off(_) => format!("key {}, {attributes}, switched off", entry.key),
        EntryState::Deleted => format!("key {}, {attributes}, deleted for SCIM clients", entry.key),
    }
}

fn answer(rehearsal: &Rehearsal, secrets: &Secrets, story: &mut Story) {
    match &rehearsal.end {
        End::HeldBack => {
            story.title("Here the run ends, before the first write without a recorded answer.");
            return;
        }
        End::Unanswered => {
            story.title("Here the run ends: a call has no answer. What the bridge says to that:");
        }
        End::Differs(differences) => {
            story.title("The calls are not those whose answers were recorded:");
            for difference in differences {
                story.line(1, &secrets.text(difference));
            }
        }
        End::Whole => {}
    }
    let response = &rehearsal.response;
    story.title(&format!("Answer {}", response.status));
    for (name, value) in &response.headers {
        story.line(1, &format!("{name}: {}", secrets.text(value)));
    }
    if let Some(body) = &response.body {
        let body = secrets.value(body);
        let pretty = serde_json::to_string_pretty(&body).unwrap_or_else(|_| body.to_string());
        for line in pretty.lines() {
            story.line(1, line);
        }
    }
}
