//! What a row of the model is asked by everybody: its SCIM places, and where it is written.

use crate::mapping::model::{Place, Row, Source};
use crate::native::path::NativePath;

impl Row {
    /// Its SCIM places; mostly one.
    pub fn places(&self) -> impl Iterator<Item = &Place> + Clone {
        std::iter::once(&self.place).chain(&self.also)
    }

    /// Whether its SCIM value is an array with one entry for each place.
    pub fn is_several(&self) -> bool {
        !self.also.is_empty()
    }

    /// Where it is written in the record; empty when it is not.
    pub fn targets(&self) -> &[NativePath] {
        match &self.source {
            Source::Path { write: Some(write), .. } => std::slice::from_ref(write),
            Source::Paths { write, .. } => write,
            Source::Path { write: None, .. }
            | Source::Computed
            | Source::Sidecar
            | Source::Constant(_) => &[],
        }
    }

    /// Where it is read in the record; empty when it is made otherwise.
    pub fn sources(&self) -> &[NativePath] {
        match &self.source {
            Source::Path { read, .. } => std::slice::from_ref(read),
            Source::Paths { read, .. } => read,
            Source::Computed | Source::Sidecar | Source::Constant(_) => &[],
        }
    }

    /// Whether it is written in the record.
    pub fn is_written(&self) -> bool {
        !self.targets().is_empty()
    }
}
