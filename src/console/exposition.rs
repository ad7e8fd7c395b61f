//! Families of metrics, written with prometheus-client: types and escaping are not ours.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::watch::meter::Reading;

/// Labels of one line.
pub(crate) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes families one after the other.
#[derive(Debug)]
pub(crate) struct Families<'e>(DescriptorEncoder<'e>);

impl<'e> Families<'e> {
    pub(crate) fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// A counter; its name gets the ending `_total`.
    pub(crate) fn counters<'a, V: EncodeCounterValue>(
        &mut self,
        name: &'static str,
        help: &str,
        lines: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in lines {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&count, None)?;
        }
        Ok(())
    }

    /// A gauge.
    pub(crate) fn gauges<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        lines: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in lines {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A histogram.
    pub(crate) fn histograms<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        lines: impl IntoIterator<Item = (Labels<'a>, Reading)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, Reading { sum, count, buckets }) in lines {
            let mut line = family.encode_family(&labels)?;
            line.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}
