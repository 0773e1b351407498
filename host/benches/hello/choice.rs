//! `--only`: the choice of workloads, servers and other measurements.

use std::str::FromStr;

use clap::ValueEnum;

use crate::contender::Contender;
use crate::workload::Workload;

/// What is measured beside requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Extra {
    /// The time of a swap
    Swap,
    /// The time from the start of an app of many components to its first answer
    Start,
    /// The memory of idle connections
    Idle,
    /// The memory of clients that wait, and how soon all of them hear what they wait for
    Waiting,
    /// How long requests take that fetch from a slow server
    Fetch,
    /// The latencies of others during swaps
    Tail,
    /// The four that follow
    Scale,
    /// Requests to 1 to 1,000 components
    Components,
    /// Requests on 10 to 10,000 connections
    Connections,
    /// Requests to 10 to 10,000 routes
    Routes,
    /// Requests to a server on one core and on two
    Cores,
    /// Writes to the state that components share
    Kv,
    /// The three that follow
    Sockets,
    /// Messages of WebSockets that come back
    Echo,
    /// One message to thousands of WebSockets
    FanOut,
    /// The memory of idle WebSockets
    IdleSockets,
    /// The two that follow
    Streams,
    /// Lines of TCP streams that come back
    Lines,
    /// The memory of idle TCP streams
    IdleStreams,
    /// Static files, beside nginx
    Static,
    /// The four that follow
    Python,
    /// Requests to a Python app
    PythonHello,
    /// WebSocket messages to a Python app
    PythonEcho,
    /// The time from an edit of a Python app to its first answer
    PythonEdit,
    /// The memory of several Python apps
    PythonApps,
    /// The memory of clients that wait for a Python app
    PythonPolls,
    /// What ten million requests leave behind; only where it is named
    Endurance,
}

/// One word of `--only`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A workload.
    Workload(Workload),
    /// A server.
    Contender(Contender),
    /// Something else.
    Extra(Extra),
}

impl FromStr for Part {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        fn names<T: ValueEnum>() -> Vec<String> {
            let values = T::value_variants().iter();
            let names =
                values.filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()));
            names.collect()
        }
        Workload::from_str(word, false)
            .map(Self::Workload)
            .or_else(|_| Contender::from_str(word, false).map(Self::Contender))
            .or_else(|_| Extra::from_str(word, false).map(Self::Extra))
            .map_err(|_| {
                let all = [names::<Workload>(), names::<Contender>(), names::<Extra>()];
                format!("one of {}", all.concat().join(", "))
            })
    }
}

/// The words of `--only`. No word of a kind means all of that kind, and no word at all means everything.
pub struct Choice(pub Vec<Part>);

impl Choice {
    /// Whether requests are measured at this workload.
    pub fn has_workload(&self, workload: Workload) -> bool {
        let any = |part: &Part| matches!(part, Part::Workload(_));
        self.requests() && (!self.0.iter().any(any) || self.0.contains(&Part::Workload(workload)))
    }

    /// Whether this server is measured.
    pub fn has_contender(&self, contender: Contender) -> bool {
        let any = |part: &Part| matches!(part, Part::Contender(_));
        let chosen = !self.0.iter().any(any) || self.0.contains(&Part::Contender(contender));
        self.requests() && (chosen || contender == Contender::Native)
    }

    /// Whether this is measured: all except the longest where nothing is chosen, else only what is named.
    pub fn has_extra(&self, extra: Extra) -> bool {
        use Extra::{
            Components, Connections, Cores, Echo, Endurance, FanOut, IdleSockets, IdleStreams,
            Lines, Python, PythonApps, PythonEcho, PythonEdit, PythonHello, PythonPolls, Routes,
            Scale, Sockets, Streams,
        };
        let named = |extra| self.0.contains(&Part::Extra(extra));
        let of_scale = matches!(extra, Components | Connections | Routes | Cores);
        let of_sockets = matches!(extra, Echo | FanOut | IdleSockets);
        let of_streams = matches!(extra, Lines | IdleStreams);
        let of_python = matches!(
            extra,
            PythonHello | PythonEcho | PythonEdit | PythonApps | PythonPolls
        );
        named(extra)
            || (of_scale && named(Scale))
            || (of_sockets && named(Sockets))
            || (of_streams && named(Streams))
            || (of_python && named(Python))
            || (self.0.is_empty() && extra != Endurance)
    }

    fn requests(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|part| !matches!(part, Part::Extra(_)))
    }
}
