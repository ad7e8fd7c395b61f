//! Where a request leaves the letter of RFC 7643 or 7644 and is understood all the same.
//!
//! The lenient dialect notes each such reading under a keyword that stays the same between
//! versions, so that an operator can see which of them a client needs; the strict dialect refuses
//! what is listed here, or gives it the meaning that the RFC has for it. Deliberately absent:
//! what a request held. A count says that a client writes `"True"`, not where or of whom.

use std::collections::BTreeMap;

/// One way of leaving the letter of the RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deviation {
    /// `schemas` is missing, or lacks a URN that it must have.
    MissingSchemas,
    /// `schemas` names a schema that the resource type does not have.
    ForeignSchema,
    /// An attribute is not known, and what was said about it is dropped.
    UnknownAttribute,
    /// A read-only attribute in a path-less PATCH value is dropped.
    ReadOnlyAttribute,
    /// An attribute is given twice, in different letters; the last one counts.
    RepeatedAttribute,
    /// An attribute of an extension is named without its URN.
    BareExtensionAttribute,
    /// A member's name is a path: dotted, URN-qualified or with a filter.
    PathAsKey,
    /// A dot stands between URN and attribute.
    UrnWithDot,
    /// A single value is wrapped in an array or object.
    WrappedValue,
    /// One value stands where a list of values should.
    UnwrappedList,
    /// A complex value is given by its `value` alone.
    BareComplexValue,
    /// A boolean is sent as text.
    StringBoolean,
    /// A number is sent as text.
    StringNumber,
    /// A number or boolean stands where text should.
    ScalarAsText,
    /// An empty text means that there is no value.
    BlankValue,
    /// More than one element says `primary: true`; the first one counts.
    SeveralPrimary,
    /// White space stands inside of base64 text.
    SpacedBinary,
    /// A value refers to a resource that does not exist, and is dropped.
    UnknownReference,
    /// One PATCH operation stands where a list of operations should.
    SingleOperation,
    /// `op` is not in lower case.
    CapitalisedOperation,
    /// `path` is an empty string.
    EmptyPath,
    /// `remove` of a multi-valued attribute says in `value` which elements.
    RemoveWithValue,
    /// A path's filter selects nothing, and the element it describes is created.
    CreatedElement,
    /// `replace` of a filtered element gives a part of it, and the rest is kept.
    MergedElement,
    /// A filter's value has no quotes, or single ones.
    UnquotedLiteral,
    /// A filter compares a dateTime with a date alone; it means midnight, UTC.
    DateAsInstant,
    /// A filter has more or fewer blanks than its grammar.
    FilterBlanks,
    /// A filter goes on behind a value path as a PATCH path does.
    ValuePathSuffix,
    /// A query parameter's name is in other letters than the RFC's.
    ParameterCase,
    /// A query parameter without a value counts as not sent.
    EmptyParameter,
    /// A number or a list in a search request is sent as text.
    TextParameter,
    /// `sortOrder` is neither of its two words, and counts as not sent.
    UnknownSortOrder,
    /// `sortBy` names nothing that has an order, and counts as not sent.
    UnsortableAttribute,
    /// `attributes` and `excludedAttributes` come together.
    AttributesAndExcluded,
    /// The method of a bulk operation is not in capital letters.
    MethodCase,
    /// `failOnErrors` is 0, and counts as not sent.
    ZeroErrors,
    /// An endpoint's name is in other letters than the RFC's, or SCIM 1.1's.
    EndpointSpelling,
}

impl Deviation {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 37] = [
        Self::MissingSchemas,
        Self::ForeignSchema,
        Self::UnknownAttribute,
        Self::ReadOnlyAttribute,
        Self::RepeatedAttribute,
        Self::BareExtensionAttribute,
        Self::PathAsKey,
        Self::UrnWithDot,
        Self::WrappedValue,
        Self::UnwrappedList,
        Self::BareComplexValue,
        Self::StringBoolean,
        Self::StringNumber,
        Self::ScalarAsText,
        Self::BlankValue,
        Self::SeveralPrimary,
        Self::SpacedBinary,
        Self::UnknownReference,
        Self::SingleOperation,
        Self::CapitalisedOperation,
        Self::EmptyPath,
        Self::RemoveWithValue,
        Self::CreatedElement,
        Self::MergedElement,
        Self::UnquotedLiteral,
        Self::DateAsInstant,
        Self::FilterBlanks,
        Self::ValuePathSuffix,
        Self::ParameterCase,
        Self::EmptyParameter,
        Self::TextParameter,
        Self::UnknownSortOrder,
        Self::UnsortableAttribute,
        Self::AttributesAndExcluded,
        Self::MethodCase,
        Self::ZeroErrors,
        Self::EndpointSpelling,
    ];

    /// Its name in metrics, logs and documentation; it does not change between versions.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::MissingSchemas => "missingSchemas",
            Self::ForeignSchema => "foreignSchema",
            Self::UnknownAttribute => "unknownAttribute",
            Self::ReadOnlyAttribute => "readOnlyAttribute",
            Self::RepeatedAttribute => "repeatedAttribute",
            Self::BareExtensionAttribute => "bareExtensionAttribute",
            Self::PathAsKey => "pathAsKey",
            Self::UrnWithDot => "urnWithDot",
            Self::WrappedValue => "wrappedValue",
            Self::UnwrappedList => "unwrappedList",
            Self::BareComplexValue => "bareComplexValue",
            Self::StringBoolean => "stringBoolean",
            Self::StringNumber => "stringNumber",
            Self::ScalarAsText => "scalarAsText",
            Self::BlankValue => "blankValue",
            Self::SeveralPrimary => "severalPrimary",
            Self::SpacedBinary => "spacedBinary",
            Self::UnknownReference => "unknownReference",
            Self::SingleOperation => "singleOperation",
            Self::CapitalisedOperation => "capitalisedOperation",
            Self::EmptyPath => "emptyPath",
            Self::RemoveWithValue => "removeWithValue",
            Self::CreatedElement => "createdElement",
            Self::MergedElement => "mergedElement",
            Self::UnquotedLiteral => "unquotedLiteral",
            Self::DateAsInstant => "dateAsInstant",
            Self::FilterBlanks => "filterBlanks",
            Self::ValuePathSuffix => "valuePathSuffix",
            Self::ParameterCase => "parameterCase",
            Self::EmptyParameter => "emptyParameter",
            Self::TextParameter => "textParameter",
            Self::UnknownSortOrder => "unknownSortOrder",
            Self::UnsortableAttribute => "unsortableAttribute",
            Self::AttributesAndExcluded => "attributesAndExcluded",
            Self::MethodCase => "methodCase",
            Self::ZeroErrors => "zeroErrors",
            Self::EndpointSpelling => "endpointSpelling",
        }
    }
}

/// How often a request deviates, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations(BTreeMap<Deviation, u32>);

impl Deviations {
    /// Counts one more.
    pub fn note(&mut self, deviation: Deviation) {
        let count = self.0.entry(deviation).or_default();
        *count = count.saturating_add(1);
    }

    /// How often this one was noted.
    pub fn count(&self, deviation: Deviation) -> u32 {
        self.0.get(&deviation).copied().unwrap_or_default()
    }

    /// The kinds that were noted, in the order of their declaration, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Deviation, u32)> {
        self.0.iter().map(|(deviation, count)| (*deviation, *count))
    }

    /// Whether the request keeps to the letter.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::scim::deviation::{Deviation, Deviations};

    #[test]
    fn every_kind_is_listed_once_under_a_keyword_of_its_own() {
        let kinds: BTreeSet<Deviation> = Deviation::ALL.into();
        let keywords: BTreeSet<&str> = Deviation::ALL.iter().map(|kind| kind.keyword()).collect();
        assert_eq!((kinds.len(), keywords.len()), (Deviation::ALL.len(), Deviation::ALL.len()));
        // The match in `keyword` is complete, so the last kind's number says whether `ALL` is.
        assert_eq!(Deviation::EndpointSpelling as usize + 1, Deviation::ALL.len());
    }

    #[test]
    fn counts_add_up_by_kind() {
        let mut deviations = Deviations::default();
        assert!(deviations.is_empty());
        deviations.note(Deviation::PathAsKey);
        deviations.note(Deviation::StringBoolean);
        deviations.note(Deviation::PathAsKey);
        let counted: Vec<_> = deviations.iter().collect();
        assert_eq!(counted, [(Deviation::PathAsKey, 2), (Deviation::StringBoolean, 1)]);
        assert_eq!(deviations.count(Deviation::EmptyPath), 0);
    }
}
