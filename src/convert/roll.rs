//! Elements of a list as JSON texts, one behind the other: many of them take no more room than on
//! the wire.

use serde_json::Value;

/// Elements, in their order.
#[derive(Debug, Default)]
pub struct Roll {
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Roll {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds one at the end; gives its place, counted from 0.
    pub fn push(&mut self, element: &Value) -> usize {
        // There is nothing that could fail.
        serde_json::to_writer(&mut self.text, element).unwrap_or_default();
        self.ends.push(self.text.len());
        self.ends.len() - 1
    }

    /// The one at a place.
    pub fn get(&self, place: usize) -> Option<Value> {
        let end = *self.ends.get(place)?;
        let begin = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        serde_json::from_slice(self.text.get(begin.unwrap_or_default()..end)?).ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Value> {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::convert::roll::Roll;

    #[test]
    fn elements_come_back_as_they_went_in() {
        let elements = [json!({ "value": "é\n" }), json!(7), json!(null), json!([{}, "7"])];
        let mut roll = Roll::default();
        assert!(roll.is_empty());
        let places: Vec<usize> = elements.iter().map(|element| roll.push(element)).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        assert_eq!(roll.iter().collect::<Vec<Value>>(), elements);
        assert_eq!((roll.get(2), roll.get(4)), (Some(json!(null)), None));
    }
}
