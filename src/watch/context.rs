//! W3C Trace Context, level 1: the `traceparent` and `tracestate` of a request.
//!
//! A valid one is continued, anything else begins a trace of its own. Of `tracestate` nothing is
//! read: it is handed on as it came, within the size that the standard asks everybody to carry.

use std::fmt;

/// The longest `tracestate` that is handed on (section 3.3.1.5 asks for 512 characters).
const LONGEST_STATE: usize = 512;

/// How long a `traceparent` is.
const LENGTH: usize = 55;

/// The lowest bit of the flags: the caller records this trace.
const SAMPLED: u8 = 1;

/// Where a request stands in a distributed trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace: TraceId,
    /// The caller's span; `None` in a trace that begins here.
    pub parent: Option<SpanId>,
    /// Whether the caller records it.
    pub sampled: bool,
    /// What the systems before us want to find again, unread.
    pub state: Option<String>,
}

/// Identifies a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// Identifies one span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub u64);

impl TraceContext {
    /// A trace that begins with this request; `uuid` becomes its identifier.
    pub fn begun(uuid: &str) -> Self {
        let digits = uuid.chars().filter_map(|digit| digit.to_digit(16)).take(32);
        let trace = digits.fold(0, |trace, digit| trace << 4 | u128::from(digit));
        Self { trace: TraceId(trace.max(1)), parent: None, sampled: false, state: None }
    }

    /// The caller's context; `None` when its `traceparent` is not one (section 3.2.2).
    pub fn continued(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let parent = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        // Later versions may say more; this one may not, and 255 is no version.
        let fits = match version {
            0 => parts.next().is_none(),
            255 => false,
            _ => true,
        };
        let visible = |state: &&str| {
            !state.is_empty()
                && state.len() <= LONGEST_STATE
                && state.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        };
        (fits && trace != 0 && parent != 0).then(|| Self {
            trace: TraceId(trace),
            parent: Some(SpanId(parent)),
            sampled: flags & SAMPLED != 0,
            state: tracestate.filter(visible).map(str::to_owned),
        })
    }

    /// The `traceparent` of a call that `span` makes.
    pub fn header(&self, span: SpanId) -> String {
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        write_hex(&mut text, &self.trace.0.to_be_bytes());
        text.push('-');
        write_hex(&mut text, &span.0.to_be_bytes());
        text.push_str(if self.sampled { "-01" } else { "-00" });
        text
    }
}

fn write_hex(text: &mut String, bytes: &[u8]) {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half });
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Exactly so many lower-case hexadecimal digits.
fn hex(text: &str, length: usize) -> Option<u128> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == length && text.bytes().all(digit))
        .then(|| u128::from_str_radix(text, 16).ok())?
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::watch::context::{SpanId, TraceContext};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn what_is_valid_is_continued() {
        let check = |text: &str, sampled: bool| {
            let context = TraceContext::continued(text, Some("a=1,b=2")).expect(text);
            assert_eq!(context.trace.to_string(), TRACE);
            assert_eq!(
                context.parent.map(|id| id.to_string()).as_deref(),
                Some("00f067aa0ba902b7")
            );
            assert_eq!((context.sampled, context.state.as_deref()), (sampled, Some("a=1,b=2")));
        };
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), true);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-00"), false);
        check(&format!("00-{TRACE}-00f067aa0ba902b7-ff"), true);
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings"), true);
    }

    #[test]
    fn what_is_not_begins_anew() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::continued(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_sent_is_left_out() {
        let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let state = |text: &str| TraceContext::continued(&traceparent, Some(text)).unwrap().state;
        assert_eq!(state(""), None);
        assert_eq!(state("a=\u{1}"), None);
        assert_eq!(state(&"a".repeat(513)), None);
        assert_eq!(state(&"a".repeat(512)).unwrap().len(), 512);
    }

    #[test]
    fn a_new_trace_bears_the_name_of_its_request() {
        let context = TraceContext::begun("4bf92f35-77b3-4da6-a3ce-929d0e0e4736");
        assert_eq!(context.trace.to_string(), TRACE);
        assert_eq!(TraceContext::begun("not a number").trace.0, 0xabe_u128);
        assert_eq!(TraceContext::begun("").trace.0, 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1_u128.., span in 1_u64.., sampled: bool) {
            let context = TraceContext { sampled, ..TraceContext::begun(&format!("{trace:032x}")) };
            let read = TraceContext::continued(&context.header(SpanId(span)), None).unwrap();
            prop_assert_eq!(read, TraceContext { parent: Some(SpanId(span)), ..context });
        }

        #[test]
        fn no_text_is_too_much(text in ".{0,80}", state in ".{0,80}") {
            drop(TraceContext::continued(&text, Some(&state)));
            drop(TraceContext::begun(&text));
        }
    }
}
