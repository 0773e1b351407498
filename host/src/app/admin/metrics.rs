//! `/metrics`: the counters as text that Prometheus reads (OpenMetrics 1.0). Counts nothing itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::app::generation::{Site, State};
use crate::base::metrics::{BOUNDS, ComponentTally, HistogramTally, RouteKey};
use crate::guest::run::TICK;

/// The content type of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of `/metrics`.
pub fn text(site: &Arc<Site>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("waterspout");
    registry.register_collector(Box::new(Scrape(site.clone())));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// The name for all routes or components that are gone, together.
const REMOVED: &str = "(removed)";

/// One reading of all counters.
struct Scrape(Arc<Site>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

type Labels<'a> = [(&'static str, &'a str)];

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.routes(&mut page)?;
        self.generations(&mut page)?;
        self.components(&mut page)?;
        self.instances(&mut page)
    }
}

impl Scrape {
    fn routes(&self, page: &mut Page<'_>) -> fmt::Result {
        const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let metrics = self.0.metrics();
        let routes = metrics.routes();
        let routes = || {
            let named = routes.iter();
            named.map(|(key, tally)| (route_of(key), tally))
        };
        page.family(
            "http_requests",
            "Responses.",
            MetricType::Counter,
            |family| {
                for (route, tally) in routes() {
                    for (class, count) in CLASSES.iter().zip(tally.answered) {
                        if count > 0 {
                            family.counter(&[route[0], route[1], ("status", class)], count)?;
                        }
                    }
                }
                Ok(())
            },
        )?;
        let help = "Requests whose client left before there was a response.";
        page.family(
            "http_requests_abandoned",
            help,
            MetricType::Counter,
            |family| {
                routes().try_for_each(|(route, tally)| family.counter(&route, tally.abandoned))
            },
        )?;
        let help = "From a request's head to its response.";
        page.family(
            "http_request_duration_seconds",
            help,
            MetricType::Histogram,
            |family| {
                let used = |tally: &HistogramTally| tally.count() > 0;
                routes()
                    .filter(|(_, tally)| used(&tally.durations))
                    .try_for_each(|(route, tally)| family.histogram(&route, &tally.durations))
            },
        )?;
        let help = "Malformed requests, by the status that refused them before they met a route.";
        page.family(
            "http_requests_refused",
            help,
            MetricType::Counter,
            |family| {
                let refusals = metrics.refusals();
                refusals.iter().try_for_each(|(status, count)| {
                    family.counter(&[("status", &status.to_string())], *count)
                })
            },
        )
    }

    fn generations(&self, page: &mut Page<'_>) -> fmt::Result {
        let number = self.0.current().number;
        page.family(
            "generation",
            "The generation that serves.",
            MetricType::Gauge,
            |family| family.gauge(number),
        )?;
        let help = "Requests that met the routes of a generation, of the last ten.";
        page.family("generation_requests", help, MetricType::Counter, |family| {
            let mut generations = self.0.requests().into_iter();
            generations.try_for_each(|(number, count)| {
                family.counter(&[("generation", &number.to_string())], count)
            })
        })?;
        page.family(
            "swaps",
            "Changes that were taken up or refused.",
            MetricType::Counter,
            |family| {
                let (done, refused) = self.0.swaps();
                family.counter(&[("result", "ok")], done)?;
                family.counter(&[("result", "refused")], refused)
            },
        )
    }

    fn components(&self, page: &mut Page<'_>) -> fmt::Result {
        let components = self.0.metrics().components(Instant::now());
        let components: Vec<_> = components
            .iter()
            .map(|(file, tally)| (file.as_deref().unwrap_or(REMOVED), tally))
            .collect();
        let help = "From a request's head to its entry into an instance.";
        page.family(
            "queue_wait_seconds",
            help,
            MetricType::Histogram,
            |family| {
                components.iter().try_for_each(|(file, tally)| {
                    family.histogram(&[("component", file)], &tally.waits)
                })
            },
        )?;
        let mut counter = |name, help, count: fn(&ComponentTally) -> u64| {
            page.family(name, help, MetricType::Counter, |family| {
                components.iter().try_for_each(|(file, tally)| {
                    family.counter(&[("component", file)], count(tally))
                })
            })
        };
        counter("instantiations", "Instances made.", |tally| {
            tally.instantiations
        })?;
        let help = "Instances lost to a trap or to a run past cpu_deadline.";
        counter("traps", help, |tally| tally.traps)?;
        let help = "Requests for which the queue had no room.";
        counter("overloads", help, |tally| tally.overloads)?;
        let help = "Requests of handlers that were refused or failed.";
        counter("failed_fetches", help, |tally| tally.failed_fetches)?;
        for (name, help, count) in SOCKETS.into_iter().chain(STREAMS) {
            counter(name, help, count)?;
        }
        let help = "From a request of a handler to the head of its response.";
        page.family("fetch_seconds", help, MetricType::Histogram, |family| {
            components.iter().try_for_each(|(file, tally)| {
                family.histogram(&[("component", file)], &tally.fetches)
            })
        })?;
        let help = "Time in which guests ran, looked at every 5 ms.";
        page.family("guest_cpu_seconds", help, MetricType::Counter, |family| {
            components.iter().try_for_each(|(file, tally)| {
                let seconds = tally.beats as f64 * TICK.as_secs_f64();
                family.counter(&[("component", file)], seconds)
            })
        })
    }

    fn instances(&self, page: &mut Page<'_>) -> fmt::Result {
        let current = self.0.current();
        let censuses: Vec<_> = current
            .components
            .values()
            .filter_map(|component| match &component.state {
                State::Serving { pool, .. } => Some((&*component.file, pool.core().stats())),
                State::Failed(_) => None,
            })
            .collect();
        page.family(
            "instances",
            "Instances that live.",
            MetricType::Gauge,
            |family| {
                censuses.iter().try_for_each(|(file, stats)| {
                    family.gauge_of(&[("component", file)], stats.instances as u64)
                })
            },
        )?;
        page.family(
            "sockets",
            "WebSockets that are open.",
            MetricType::Gauge,
            |family| {
                censuses.iter().try_for_each(|(file, stats)| {
                    family.gauge_of(&[("component", file)], stats.sockets as u64)
                })
            },
        )?;
        page.family(
            "streams",
            "Streams of clients that are open.",
            MetricType::Gauge,
            |family| {
                censuses.iter().try_for_each(|(file, stats)| {
                    family.gauge_of(&[("component", file)], stats.streams as u64)
                })
            },
        )?;
        let help = "Requests that wait for an instance or are in one.";
        page.family("in_flight", help, MetricType::Gauge, |family| {
            censuses.iter().try_for_each(|(file, stats)| {
                family.gauge_of(&[("component", file)], stats.in_flight as u64)
            })
        })
    }
}

/// A counter of a component: its name, its help, and where it is.
type Counter = (&'static str, &'static str, fn(&ComponentTally) -> u64);

/// The counters of sockets.
const SOCKETS: [Counter; 9] = [
    ("sockets_opened", "WebSockets that were opened.", |tally| {
        tally.sockets.opened
    }),
    ("sockets_closed", "WebSockets that were closed.", |tally| {
        tally.sockets.closed
    }),
    (
        "socket_messages_received",
        "Messages of clients.",
        |tally| tally.sockets.received,
    ),
    (
        "socket_bytes_received",
        "Bytes of these messages.",
        |tally| tally.sockets.received_bytes,
    ),
    ("socket_messages_sent", "Messages to clients.", |tally| {
        tally.sockets.sent
    }),
    ("socket_bytes_sent", "Bytes of these messages.", |tally| {
        tally.sockets.sent_bytes
    }),
    (
        "socket_messages_dropped",
        "Published messages that a client was too slow for.",
        |tally| tally.sockets.dropped,
    ),
    (
        "sockets_moved",
        "WebSockets that went to another object.",
        |tally| tally.sockets.moved,
    ),
    (
        "sockets_slept",
        "WebSockets whose instance was freed while they were quiet.",
        |tally| tally.sockets.slept,
    ),
];

/// The counters of streams.
const STREAMS: [Counter; 9] = [
    (
        "streams_opened",
        "Streams that clients have opened.",
        |tally| tally.streams.opened,
    ),
    ("streams_closed", "The same that were closed.", |tally| {
        tally.streams.closed
    }),
    (
        "streams_refused",
        "Streams for which there was no room.",
        |tally| tally.streams.refused,
    ),
    (
        "stream_bytes_received",
        "Bytes that handlers have read from them.",
        |tally| tally.streams.received_bytes,
    ),
    (
        "stream_bytes_sent",
        "Bytes that handlers have written to them.",
        |tally| tally.streams.sent_bytes,
    ),
    (
        "client_streams_opened",
        "Streams that were opened to other servers.",
        |tally| tally.streams_to_servers.opened,
    ),
    (
        "client_streams_closed",
        "The same that were closed.",
        |tally| tally.streams_to_servers.closed,
    ),
    (
        "client_stream_bytes_received",
        "Bytes that were read from them.",
        |tally| tally.streams_to_servers.received_bytes,
    ),
    (
        "client_stream_bytes_sent",
        "Bytes that were written to them.",
        |tally| tally.streams_to_servers.sent_bytes,
    ),
];

/// A route's labels. Requests without a route, and routes that are gone, have labels that can't be taken for a
/// pattern.
fn route_of(key: &Option<RouteKey>) -> [(&'static str, &str); 2] {
    match key {
        Some(key) => [("route", &key.pattern), ("host", &key.host)],
        None => [("route", REMOVED), ("host", "")],
    }
}

/// The text, to which metrics are added.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        fill: impl FnOnce(&mut Family<'_>) -> fmt::Result,
    ) -> fmt::Result {
        fill(&mut Family(
            self.0.encode_descriptor(name, help, None, kind)?,
        ))
    }
}

/// One metric, with all its label sets.
struct Family<'a>(MetricEncoder<'a>);

impl Family<'_> {
    fn counter<V: EncodeCounterValue>(&mut self, labels: &Labels<'_>, count: V) -> fmt::Result {
        let mut one = self.0.encode_family(&labels)?;
        one.encode_counter::<[(&str, &str); 0], V, f64>(&count, None)
    }

    fn gauge(&mut self, value: u64) -> fmt::Result {
        self.0.encode_gauge(&value)
    }

    fn gauge_of(&mut self, labels: &Labels<'_>, value: u64) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    fn histogram(&mut self, labels: &Labels<'_>, tally: &HistogramTally) -> fmt::Result {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(tally.buckets).collect();
        let sum = tally.nanoseconds as f64 / 1e9;
        let none = None::<&HashMap<usize, Exemplar<[(&str, &str); 0], f64>>>;
        let mut one = self.0.encode_family(&labels)?;
        one.encode_histogram(sum, tally.count(), &buckets, none)
    }
}
