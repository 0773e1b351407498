//! Runs the schedules: calls each function when it is due, in the component that serves then, and never twice
//! concurrently. Owns the records of runs; does not decide when something is due.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::plan::Plan;
use super::{Component, Generation};
use crate::base::timetable::Timing;
use crate::guest::bindings::executor::CallError;

/// How often the wall clock is read: it may be set, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(30);

/// The part of a shutdown's time that is kept back, so that a cancelled run is still logged.
const KEPT_BACK: Duration = Duration::from_millis(500);

/// The wall clock. Tests set their own.
#[derive(Clone)]
struct Wall(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Default for Wall {
    fn default() -> Self {
        Self(Arc::new(Timestamp::now))
    }
}

/// All schedules of the app, through its generations.
#[derive(Default)]
pub struct Scheduler {
    wall: Wall,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// By name. A run keeps its course until it ends, even if the name was removed: a later schedule may have it
    /// again.
    courses: Mutex<BTreeMap<String, Weak<Course>>>,
    /// When everything must be over.
    ends: watch::Sender<Option<Instant>>,
}

struct Entry {
    plan: Plan,
    course: Arc<Course>,
    /// Ends with the entry. A run that it has begun goes on.
    _timer: AbortOnDropHandle<()>,
}

/// The state of one schedule.
#[derive(Default)]
struct Course {
    /// The component whose function is called from now on.
    component: Mutex<Option<Arc<Component>>>,
    runs: AtomicU64,
    failures: AtomicU64,
    missed: AtomicU64,
    is_running: AtomicBool,
}

/// The record of one schedule.
pub struct Record {
    pub name: String,
    pub file: String,
    pub function: String,
    pub timing: String,
    pub is_running: bool,
    pub runs: u64,
    pub failures: u64,
    pub missed: u64,
}

impl Scheduler {
    /// Follows this generation's schedules from now on. A schedule that did not change keeps its times.
    pub fn follow(&self, generation: &Generation) {
        let mut entries = lock(&self.entries);
        let mut before = std::mem::take(&mut *entries);
        for schedule in &generation.schedules {
            let old = before.remove(&schedule.name);
            let course = self.course(&schedule.name);
            *lock(&course.component) = Some(schedule.component.clone());
            let entry = match old {
                Some(old) if old.plan == schedule.plan => old,
                _ => {
                    let run = Run {
                        name: schedule.name.clone(),
                        plan: schedule.plan.clone(),
                        course: course.clone(),
                        ends: self.ends.subscribe(),
                        wall: self.wall.clone(),
                    };
                    Entry {
                        plan: schedule.plan.clone(),
                        course,
                        _timer: AbortOnDropHandle::new(tokio::spawn(keep_time(Arc::new(run)))),
                    }
                }
            };
            entries.insert(schedule.name.clone(), entry);
        }
    }

    /// The state of the schedule of this name. It may come from an earlier schedule whose run still goes on.
    fn course(&self, name: &str) -> Arc<Course> {
        let mut courses = lock(&self.courses);
        courses.retain(|_, course| course.strong_count() > 0);
        let known = courses.get(name).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let course = Arc::default();
            courses.insert(name.to_owned(), Arc::downgrade(&course));
            course
        })
    }

    /// Begins no more runs, and ends those that are under way in time.
    pub fn end(&self, by: Instant) {
        self.ends.send_replace(Some(by));
        lock(&self.entries).clear();
    }

    /// The records of all schedules.
    pub fn records(&self) -> Vec<Record> {
        let entries = lock(&self.entries);
        let records = entries.iter().map(|(name, entry)| {
            let (plan, course) = (&entry.plan, &entry.course);
            let component = lock(&course.component);
            Record {
                name: name.clone(),
                file: component
                    .as_ref()
                    .map_or_else(String::new, |one| one.file.clone()),
                function: plan.function.clone(),
                timing: plan.timing.to_string(),
                is_running: course.is_running.load(Relaxed),
                runs: course.runs.load(Relaxed),
                failures: course.failures.load(Relaxed),
                missed: course.missed.load(Relaxed),
            }
        });
        records.collect()
    }
}

/// All that one timer needs.
struct Run {
    name: String,
    plan: Plan,
    course: Arc<Course>,
    ends: watch::Receiver<Option<Instant>>,
    wall: Wall,
}

/// The clock of a schedule.
enum Clock {
    /// The wall clock, which may be set.
    Wall(Wall),
    /// A clock that cannot be set. It was right at the beginning.
    Steady { began: Timestamp, at: Instant },
}

impl Clock {
    fn of(timing: &Timing, wall: &Wall) -> Self {
        match timing.is_steady() {
            true => Self::Steady {
                began: (wall.0)(),
                at: Instant::now(),
            },
            false => Self::Wall(wall.clone()),
        }
    }

    fn now(&self) -> Timestamp {
        match self {
            Self::Wall(wall) => (wall.0)(),
            Self::Steady { began, at } => later(*began, at.elapsed()),
        }
    }

    /// Waits for a moment of this clock, which was at `last` before. `false`: the clock has been set back to well
    /// before that.
    async fn reaches(&self, due: Timestamp, last: Timestamp) -> bool {
        loop {
            let now = self.now();
            if later(now, LOOK) < last {
                return false;
            }
            let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
            if left.is_zero() {
                return true;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

/// Waits and calls again and again, until it is aborted.
async fn keep_time(run: Arc<Run>) {
    let (name, plan) = (&run.name, &run.plan);
    let clock = Clock::of(&plan.timing, &run.wall);
    let mut last = clock.now();
    while let Some(due) = plan.timing.after(last) {
        let at = later(due, jitter(plan.jitter));
        if !clock.reaches(at, last).await {
            last = clock.now();
            tracing::warn!(
                target: "general",
                "the clock was set back: the schedule `{name}` goes by what it says now, and may repeat what it has run"
            );
            continue;
        }
        // A run of the same name, from another version of the schedule, may still go on.
        if !run.course.is_running.swap(true, Relaxed) {
            let running = run.clone();
            let ran = tokio::spawn(async move {
                let _over = Over(&running.course.is_running);
                running.once().await;
            });
            let _ = ran.await;
            last = due;
        }
        let (missed, until) = plan.timing.missed(last, clock.now());
        last = until.max(due);
        if missed > 0 {
            run.course.missed.fetch_add(missed, Relaxed);
            tracing::warn!(
                target: "general",
                "the schedule `{name}` has missed {missed} runs: the one before them was not over, or the machine slept"
            );
        }
    }
    tracing::warn!(target: "general", "the schedule `{name}` is never due again");
}

/// Says that no run is under way any more.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

impl Run {
    async fn once(&self) {
        let (name, plan) = (&self.name, &self.plan);
        let component = lock(&self.course.component).clone();
        let Some(component) = component else { return };
        let Some(pool) = component.pool() else {
            let file = &component.file;
            self.course.failures.fetch_add(1, Relaxed);
            tracing::error!(target: "general", "the schedule `{name}` is due, but {file} does not serve");
            return;
        };
        let began = Instant::now();
        let arguments = plan.arguments.clone().into_bytes();
        let call = pool
            .core()
            .clone()
            .call_scheduled(plan.function.clone(), arguments);
        let mut ends = self.ends.clone();
        let cut = async {
            let by = match ends.wait_for(Option::is_some).await {
                Ok(by) => *by,
                Err(_) => None,
            };
            match by {
                Some(by) => tokio::time::sleep_until(by - KEPT_BACK).await,
                None => std::future::pending().await,
            }
        };
        let component = &*component.file;
        tokio::select! {
            biased;
            ended = call => {
                self.course.runs.fetch_add(1, Relaxed);
                if let Err(error) = ended {
                    self.course.failures.fetch_add(1, Relaxed);
                    let why = why(&error);
                    tracing::error!(target: "app", component, "the scheduled run `{name}` failed: {why}");
                }
            }
            () = cut => {
                let ran = began.elapsed().as_secs_f64();
                tracing::warn!(
                    target: "general", component,
                    "the scheduled run `{name}` was cancelled after {ran:.1} s: the server ends"
                );
            }
        }
    }
}

/// This much after a moment.
fn later(moment: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or_default();
    moment.checked_add(by).unwrap_or(moment)
}

fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random_range(0.0..=1.0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a call has no result, for people.
fn why(error: &CallError) -> &str {
    match error {
        CallError::Failed(why)
        | CallError::Unknown(why)
        | CallError::Busy(why)
        | CallError::Timeout(why)
        | CallError::Trapped(why)
        | CallError::Unavailable(why)
        | CallError::Other(why) => why,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::app::generation::{State, schedules};
    use crate::config::Config;

    /// The only schedule of a configuration, begun. Each of its runs fails immediately.
    fn begin(config: &str, wall: Wall) -> (Arc<Course>, AbortOnDropHandle<()>) {
        let config = Config::parse(config, Path::new("waterspout.toml")).expect("a configuration");
        // A component that can't serve.
        let component = Arc::new(Component {
            file: "a.wasm".to_owned(),
            sha256: String::new(),
            generation: 1,
            settings: Default::default(),
            state: State::Failed(String::new()),
        });
        let components = [(component.file.clone(), component.clone())].into();
        let resolved = schedules::resolve(Path::new(""), &config, &components);
        let plan = resolved.expect("a schedule").remove(0).plan;
        let course = Arc::<Course>::default();
        *lock(&course.component) = Some(component);
        let ends = watch::Sender::new(None);
        let run = Run {
            name: plan.name.clone(),
            plan,
            course: course.clone(),
            ends: ends.subscribe(),
            wall,
        };
        let timer = AbortOnDropHandle::new(tokio::spawn(keep_time(Arc::new(run))));
        (course, timer)
    }

    /// How late each run of the only schedule of a configuration began.
    async fn delays(config: &str, period: Duration, runs: u64) -> Vec<Duration> {
        let began = Instant::now();
        let (course, _timer) = begin(config, Wall::default());
        let mut delays = Vec::new();
        for number in 1..=runs {
            while course.failures.load(Relaxed) < number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let due = began + u32::try_from(number).expect("few") * period;
            delays.push(Instant::now().duration_since(due));
        }
        assert_eq!(course.missed.load(Relaxed), 0);
        delays
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_delays_each_run_by_another_time_and_moves_no_beat() {
        const SOON: Duration = Duration::from_millis(10);
        let period = Duration::from_secs(1);
        let often = "[[schedule]]\nname = \"a\"\nevery = \"1s\"\nfunction = \"a.wasm#f\"\n";
        let prompt = delays(often, period, 20).await;
        assert!(prompt.iter().all(|delay| *delay < SOON), "{prompt:?}");

        let jitter = Duration::from_millis(500);
        let late = delays(&format!("{often}jitter = \"500ms\"\n"), period, 100).await;
        assert!(late.iter().all(|delay| *delay < jitter + SOON), "{late:?}");
        // Of a hundred, at least one is in each third, almost certainly.
        for third in 0..3 {
            let third = jitter * third / 3..jitter * (third + 1) / 3;
            assert!(late.iter().any(|delay| third.contains(delay)), "{late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_counts_the_time_that_passes_and_cron_looks_at_the_wall() {
        let minute = Duration::from_secs(60);
        let every = Timing::every(minute);
        let clock = Clock::of(&every, &Wall::default());
        let (began, due) = (Instant::now(), every.after(clock.now()));
        // With paused time, the wall clock acts as if set back: it does not say that a minute has passed.
        let waited = clock.reaches(due.expect("a time"), clock.now());
        let waited = tokio::time::timeout(2 * minute, waited).await;
        assert!(waited.is_ok(), "it waits for the clock on the wall");
        assert_eq!(began.elapsed(), minute);

        let cron = Timing::cron("0 0 1 1 *", TimeZone::UTC).expect("a time");
        let before = Timestamp::now();
        let clock = Clock::of(&cron, &Wall::default());
        tokio::time::advance(60 * minute).await;
        let passed = clock.now().duration_since(before);
        assert!(passed < SignedDuration::from_mins(1), "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_stops_no_schedule() {
        const MINUTE: Duration = Duration::from_secs(60);
        let (began, start) = (Instant::now(), Timestamp::UNIX_EPOCH);
        // By how many seconds it was set back so far.
        let back = Arc::new(AtomicU64::new(0));
        let set = back.clone();
        let says = move || {
            let passed = later(start, began.elapsed() + 100 * MINUTE);
            let back = Duration::from_secs(set.load(Relaxed));
            passed - SignedDuration::try_from(back).expect("not long")
        };
        let every_minute =
            "[[schedule]]\nname = \"a\"\ncron = \"* * * * *\"\nfunction = \"a.wasm#f\"\n";
        let (course, _timer) = begin(every_minute, Wall(Arc::new(says)));
        let ran = async |runs| {
            let begin = Instant::now();
            while course.failures.load(Relaxed) < runs {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(course.failures.load(Relaxed), runs);
            begin.elapsed()
        };
        ran(1).await;
        // A small correction: no minute comes twice.
        back.fetch_add(20, Relaxed);
        let waited = ran(2).await;
        assert!(waited > MINUTE && waited < 2 * MINUTE, "{waited:?}");
        // An hour back, in the middle of a minute: the next run is in time.
        tokio::time::sleep(MINUTE / 3).await;
        back.fetch_add(3600, Relaxed);
        let waited = ran(3).await;
        assert!(waited <= MINUTE, "{waited:?}");
        let waited = ran(4).await;
        assert!(waited > MINUTE / 2 && waited < 2 * MINUTE, "{waited:?}");
        assert_eq!(course.missed.load(Relaxed), 0);
    }
}
