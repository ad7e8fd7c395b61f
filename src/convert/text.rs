//! JSON text, written piece by piece behind what is there.

use std::ops::Range;

use serde::Serialize;

/// Writes a piece. Most are short, and to copy a fixed number of bytes twice, from both ends, costs
/// less than to copy any number of them once.
pub fn put(text: &mut Vec<u8>, piece: &str) {
    let piece = piece.as_bytes();
    match piece.len() {
        2..4 => put_ends::<2>(text, piece),
        4..8 => put_ends::<4>(text, piece),
        8..16 => put_ends::<8>(text, piece),
        16..=32 => put_ends::<16>(text, piece),
        _ => text.extend_from_slice(piece),
    }
}

/// Writes a piece of at most twice so many bytes.
fn put_ends<const N: usize>(text: &mut Vec<u8>, piece: &[u8]) {
    if let (Some(first), Some(last)) = (piece.first_chunk::<N>(), piece.last_chunk::<N>()) {
        let end = text.len() + piece.len();
        text.extend_from_slice(first);
        text.truncate(end - N);
        text.extend_from_slice(last);
    }
}

/// Writes a text as a JSON string.
pub fn quote(text: &mut Vec<u8>, it: &(impl Serialize + ?Sized)) {
    // There is nothing that could fail.
    serde_json::to_writer(text, it).unwrap_or_default();
}

/// Writes a member, if it has a value.
pub fn member(text: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        put(text, name);
        put(text, value);
    }
}

/// Makes what stands from `begin` on a whole between two brackets.
pub fn close(text: &mut Vec<u8>, begin: usize, brackets: &str) {
    let [open, close] = brackets.as_bytes() else { return };
    match text.get_mut(begin) {
        Some(comma) => *comma = *open,
        None => text.push(*open),
    }
    text.push(*close);
}

/// Sorts elements by their texts. They stand behind `begin`, each with a comma before it.
pub fn sort(text: &mut Vec<u8>, begin: usize, ranges: &mut [Range<usize>]) {
    let of = |range: &Range<usize>| text.get(range.clone());
    if ranges.is_sorted_by_key(of) {
        return;
    }
    ranges.sort_by_key(of);
    let behind = text.len();
    for range in ranges.iter().cloned() {
        text.push(b',');
        text.extend_from_within(range);
    }
    text.drain(begin..behind);
}

#[cfg(test)]
mod tests {
    use crate::convert::text::put;

    #[test]
    fn pieces_of_any_length_are_written_as_they_are() {
        let mut piece = String::new();
        for byte in '!'..='~' {
            for before in ["", "x", "a text of some length"] {
                let mut text = before.as_bytes().to_vec();
                put(&mut text, &piece);
                assert_eq!(text, [before, &piece].concat().as_bytes());
            }
            piece.push(byte);
        }
    }
}
