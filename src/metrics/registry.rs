//! The registry of everything that the service counts: each metric's name, help, type and labels, and how its values are
//! read at a scrape.
//!
//! Counting stays where it happens, in atomics that a hot path increments with one relaxed addition. The registry reads
//! them when `/metrics` is asked for, and the library writes the `OpenMetrics` text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;

/// The content type of [`Registry::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The values of the labels of a metric, in the order of their names, and the number under them.
pub type Sample<const N: usize> = ([String; N], u64);

/// A histogram as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The sum of all observations.
    pub sum: f64,
    /// Upper bounds with the number of observations above the bound before and up to this one; infinity last.
    pub buckets: Vec<(f64, u64)>,
}

/// Every metric of the process.
#[derive(Debug, Default)]
pub struct Registry(prometheus_client::registry::Registry);

impl Registry {
    /// Registers a counter without labels; its name ends in `_total`.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.counters(name, help, [], move || vec![([], read())]);
    }

    /// Registers a counter for each combination of label values; its name ends in `_total`.
    pub fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        read: impl Fn() -> Vec<Sample<N>> + Send + Sync + 'static,
    ) {
        debug_assert!(name.ends_with("_total"), "{name}");
        self.add(Family { name, help, kind: MetricType::Counter, labels, read });
    }

    /// Registers a gauge without labels.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.gauges(name, help, [], move || vec![([], read())]);
    }

    /// Registers a gauge for each combination of label values.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        read: impl Fn() -> Vec<Sample<N>> + Send + Sync + 'static,
    ) {
        self.add(Family { name, help, kind: MetricType::Gauge, labels, read });
    }

    /// Registers a histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Histogram + Send + Sync + 'static,
    ) {
        self.0.register_collector(Box::new(Distribution { name, help, read }));
    }

    /// Reads every metric and writes the text of all of them.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0)?;
        Ok(out)
    }

    fn add<const N: usize, F>(&mut self, family: Family<N, F>)
    where
        F: Fn() -> Vec<Sample<N>> + Send + Sync + 'static,
    {
        self.0.register_collector(Box::new(family));
    }
}

/// A counter or gauge with its labels.
struct Family<const N: usize, F> {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    labels: [&'static str; N],
    read: F,
}

impl<const N: usize, F> fmt::Debug for Family<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<const N: usize, F> Collector for Family<N, F>
where
    F: Fn() -> Vec<Sample<N>> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // The library adds the ending of a counter's samples.
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        let mut family = encoder.encode_descriptor(name, self.help, None, self.kind)?;
        for (values, number) in (self.read)() {
            let labels: Vec<(&str, &str)> =
                self.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            if labels.is_empty() {
                encode_number(&mut family, self.kind, number)?;
            } else {
                encode_number(&mut family.encode_family(&labels)?, self.kind, number)?;
            }
        }
        Ok(())
    }
}

fn encode_number(encoder: &mut MetricEncoder<'_>, kind: MetricType, number: u64) -> fmt::Result {
    match kind {
        MetricType::Counter => encoder.encode_counter::<NoLabelSet, u64, f64>(&number, None),
        _ => encoder.encode_gauge(&number),
    }
}

/// A histogram.
struct Distribution<F> {
    name: &'static str,
    help: &'static str,
    read: F,
}

impl<F> fmt::Debug for Distribution<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F> Collector for Distribution<F>
where
    F: Fn() -> Histogram + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Histogram { sum, buckets } = (self.read)();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder
            .encode_descriptor(self.name, self.help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_written_as_openmetrics() {
        let mut registry = Registry::default();
        registry.counter("a_total", "Things", || 3);
        registry.gauges("b", "Servers", ["server"], || {
            vec![(["pbx1".to_owned()], 1), (["p\"2\\".to_owned()], 0)]
        });
        registry.counters("c_total", "Nothing yet", ["x", "y"], Vec::new);
        registry
            .histogram("d", "Times", || Histogram { sum: 7.5, buckets: vec![(1.0, 2), (f64::INFINITY, 1)] });
        assert_eq!(
            registry.encode().unwrap(),
            "# HELP a Things\n# TYPE a counter\na_total 3\n\
             # HELP b Servers\n# TYPE b gauge\nb{server=\"pbx1\"} 1\nb{server=\"p\\\"2\\\\\"} 0\n\
             # HELP c Nothing yet\n# TYPE c counter\n\
             # HELP d Times\n# TYPE d histogram\nd_sum 7.5\nd_count 3\nd_bucket{le=\"1.0\"} 2\nd_bucket{le=\"+Inf\"} 3\n\
             # EOF\n"
        );
    }
}
