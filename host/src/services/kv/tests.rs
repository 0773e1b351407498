//! Tests of the store alone, with a clock that they set. No guest is involved.

use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use super::*;

const LIMITS: Limits = Limits {
    max_memory: 1 << 20,
    max_value_size: 1 << 16,
};

/// A clock, and the number that sets it.
fn clock() -> (Clock, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1_000_000));
    let read = time.clone();
    (Arc::new(move || read.load(Relaxed)), time)
}

fn in_memory(limits: Limits) -> (Kv, Arc<AtomicU64>) {
    let (clock, time) = clock();
    (Kv::with(limits, clock), time)
}

fn place(key: &str) -> KeyPath {
    ("bucket".into(), key.into())
}

fn set(value: impl Into<Bytes>, ttl: Option<u64>) -> Act {
    let (value, ttl) = (value.into(), ttl.map(Duration::from_millis));
    Act::Set { value, ttl }
}

fn write(kv: &Kv, key: &str, act: Act) -> Result<Done, Refused> {
    let written = kv.write(place(key), act);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(written)
}

fn value(kv: &Kv, key: &str) -> Option<Bytes> {
    kv.get("bucket", key).map(|entry| entry.value)
}

#[test]
fn what_was_written_is_read() {
    let (kv, _) = in_memory(LIMITS);
    assert_eq!(value(&kv, "a"), None);
    write(&kv, "a", set("1", None)).unwrap();
    write(&kv, "a", set("2", None)).unwrap();
    assert_eq!(value(&kv, "a"), Some("2".into()));
    assert_eq!(kv.get("other", "a"), None, "buckets are apart");
    assert_eq!(write(&kv, "a", Act::Delete), Ok(Done::Deleted(true)));
    assert_eq!(write(&kv, "a", Act::Delete), Ok(Done::Deleted(false)));
    assert_eq!(value(&kv, "a"), None);
    assert_eq!(kv.core.lock().used, 0);
}

#[test]
fn a_swap_wants_the_version_that_is_there_and_none_comes_twice() {
    let (kv, _) = in_memory(LIMITS);
    let swap = |expected, value: &'static str| {
        let (value, ttl) = (value.into(), None);
        let act = Act::Swap {
            expected,
            value,
            ttl,
        };
        write(&kv, "a", act).unwrap()
    };
    assert_eq!(swap(Some(1), "x"), Done::Differs(None));
    let Done::Set(first) = swap(None, "1") else {
        panic!("the key is not there")
    };
    assert_eq!(swap(None, "x"), Done::Differs(kv.get("bucket", "a")));
    let Done::Set(second) = swap(Some(first), "2") else {
        panic!("it is that version")
    };
    write(&kv, "a", Act::Delete).unwrap();
    let Done::Set(third) = swap(None, "2") else {
        panic!("the key is not there")
    };
    assert!(first < second && second < third);
    assert!(matches!(swap(Some(second), "x"), Done::Differs(Some(_))));
}

#[test]
fn numbers_are_added_to_within_their_limits() {
    let (kv, _) = in_memory(LIMITS);
    assert_eq!(write(&kv, "a", Act::Increment(5)), Ok(Done::Incremented(5)));
    assert_eq!(
        write(&kv, "a", Act::Increment(-7)),
        Ok(Done::Incremented(-2))
    );
    assert_eq!(value(&kv, "a"), Some("-2".into()));
    assert_eq!(write(&kv, "a", Act::Add(1)), Err(Refused::NotANumber));
    write(&kv, "a", set(i64::MAX.to_string(), None)).unwrap();
    assert_eq!(write(&kv, "a", Act::Increment(1)), Err(Refused::NotANumber));
    assert_eq!(write(&kv, "a", Act::Add(1)), Ok(Done::Added(1 << 63)));
    write(&kv, "a", set("one", None)).unwrap();
    assert_eq!(write(&kv, "a", Act::Increment(1)), Err(Refused::NotANumber));
    assert_eq!(value(&kv, "a"), Some("one".into()));
}

#[test]
fn what_has_expired_is_not_there_and_is_cleaned_up() {
    let (kv, time) = in_memory(LIMITS);
    for number in 0..5_000 {
        write(&kv, &format!("k{number:04}"), set("x", Some(1000))).unwrap();
    }
    write(&kv, "k9", set("y", None)).unwrap();
    time.fetch_add(999, Relaxed);
    assert_eq!(value(&kv, "k0000"), Some("x".into()));
    // One that is set again without a time does not expire, and an increment keeps its time.
    write(&kv, "k0001", set("z", None)).unwrap();
    write(&kv, "n", set("1", Some(1))).unwrap();
    write(&kv, "n", Act::Increment(1)).unwrap();
    time.fetch_add(1, Relaxed);
    assert_eq!((value(&kv, "k0000"), value(&kv, "n")), (None, None));
    assert!(!kv.exists("bucket", "k0002"));
    let (keys, next) = kv.list("bucket", "k", None, 10);
    assert_eq!(
        (keys, next),
        (vec!["k0001".to_owned(), "k9".to_owned()], None)
    );
    let swap = Act::Swap {
        expected: None,
        value: "new".into(),
        ttl: None,
    };
    assert!(matches!(write(&kv, "k0000", swap), Ok(Done::Set(_))));
    while kv.core.clean_up() {}
    let data = kv.core.lock();
    assert_eq!(data.expired(u64::MAX).count(), 0);
    assert_eq!(data.used, 3 * (6 + 128) + 5 + 5 + 2 + 1 + 1 + 3);
}

#[test]
fn a_full_store_is_an_error_and_evicts_nothing_but_what_has_expired() {
    let limits = Limits {
        max_memory: 2000,
        ..LIMITS
    };
    let (kv, time) = in_memory(limits);
    write(&kv, "old", set(vec![0; 800], Some(1000))).unwrap();
    write(&kv, "a", set(vec![0; 700], None)).unwrap();
    assert_eq!(write(&kv, "b", set(vec![0; 700], None)), Err(Refused::Full));
    assert_eq!(
        write(&kv, "a", set(vec![0; 1500], None)),
        Err(Refused::Full)
    );
    assert_eq!(value(&kv, "a").map(|value| value.len()), Some(700));
    assert!(kv.exists("bucket", "old"));
    time.fetch_add(1000, Relaxed);
    write(&kv, "b", set(vec![0; 700], None)).unwrap();
    assert!(kv.core.lock().used <= 2000);
}

#[test]
fn pages_have_each_key_once_while_others_come_and_go() {
    let (kv, time) = in_memory(LIMITS);
    for number in 0..1000 {
        write(&kv, &format!("stay{number:04}"), set("x", None)).unwrap();
    }
    write(&kv, "other", set("x", None)).unwrap();
    let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (keys, next) = kv.list("bucket", "stay", after.as_deref(), 64);
        assert!(keys.len() <= 64);
        all.extend(keys.into_iter().filter(|key| key.len() == "stay0000".len()));
        pages += 1;
        // Before, at and behind where the pages are.
        for between in [
            format!("stay{pages:04}x"),
            format!("stay{:04}x", pages * 64),
        ] {
            write(&kv, &between, set("x", None)).unwrap();
        }
        write(&kv, &format!("stay{:04}x", pages - 1), Act::Delete).unwrap();
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let expected: Vec<String> = (0..1000).map(|number| format!("stay{number:04}")).collect();
    assert_eq!(all, expected);

    // Expired keys block nothing for long: a page may be empty and not the last.
    let (kv, _) = (
        Kv::with(
            Limits {
                max_memory: 1 << 30,
                ..LIMITS
            },
            kv.core.clock.clone(),
        ),
        0,
    );
    for number in 0..20_000 {
        write(&kv, &format!("k{number:05}"), set("", Some(1))).unwrap();
    }
    write(&kv, "last", set("", None)).unwrap();
    time.fetch_add(1, Relaxed);
    let (keys, next) = kv.list("bucket", "", None, 10);
    assert_eq!((keys.len(), next.is_some()), (0, true));
    let (mut after, mut found) = (next, Vec::new());
    while let Some(from) = after {
        let (keys, next) = kv.list("bucket", "", Some(&from), 10);
        found.extend(keys);
        after = next;
    }
    assert_eq!(found, ["last"]);
}

#[test]
fn who_watches_hears_of_each_change_in_order() {
    let (kv, time) = in_memory(LIMITS);
    let quota = Quota::new(1 << 20, 10);
    let watch = |watched| kv.watch("bucket", watched, 3, &quota).expect("a place");
    let key = watch(Watched::Key("a".into()));
    let all = watch(Watched::Prefix("".into()));
    let some = watch(Watched::Prefix("ab".into()));
    let next = |watcher: &Subscription<Change>| {
        let (held, dropped) = watcher.take()?;
        let Change { place, entry } = held.message.clone();
        let value = entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        Some((place.1.to_string(), value, dropped))
    };
    let said = |key: &str, value: Option<&str>, dropped| {
        Some((key.to_owned(), value.map(str::to_owned), dropped))
    };
    write(&kv, "a", set("1", None)).unwrap();
    write(&kv, "ab", set("2", Some(5))).unwrap();
    write(&kv, "a", Act::Delete).unwrap();
    write(&kv, "a", Act::Delete).unwrap();
    write(&kv, "a", Act::Increment(3)).unwrap();
    assert_eq!(next(&key), said("a", Some("1"), 0));
    assert_eq!(next(&key), said("a", None, 0));
    assert_eq!(next(&key), said("a", Some("3"), 0));
    assert_eq!(next(&key), None);
    assert_eq!(next(&all), said("ab", Some("2"), 1));
    assert_eq!(next(&some), said("ab", Some("2"), 0));
    time.fetch_add(5, Relaxed);
    kv.core.clean_up();
    assert_eq!(next(&some), said("ab", None, 0));
}

#[test]
fn a_file_has_what_was_written_also_the_versions_and_the_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let (clock, time) = clock();
    let open = || Kv::in_file_with(LIMITS, &path, clock.clone()).unwrap();
    let kv = open();
    write(&kv, "a", set("1", None)).unwrap();
    write(&kv, "b", set("2", Some(1000))).unwrap();
    write(&kv, "c", set("3", Some(5000))).unwrap();
    let Done::Set(version) = write(&kv, "d", set("4", None)).unwrap() else {
        panic!("it was set")
    };
    write(&kv, "d", Act::Delete).unwrap();
    drop(kv);
    time.fetch_add(1000, Relaxed);
    let kv = open();
    let values = ["a", "b", "c", "d"].map(|key| value(&kv, key));
    assert_eq!(values, [Some("1".into()), None, Some("3".into()), None]);
    let Done::Set(next) = write(&kv, "d", set("5", None)).unwrap() else {
        panic!("it was set")
    };
    assert!(next > version);
    drop(kv);
    time.fetch_add(4000, Relaxed);
    let kv = open();
    assert_eq!(value(&kv, "c"), None);
    assert_eq!(value(&kv, "d"), Some("5".into()));
}

#[test]
fn a_file_belongs_to_one_server_and_has_to_be_ours_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let refused = || Kv::in_file(LIMITS, &path).err().expect("a fault");
    let kv = Kv::in_file(LIMITS, &path).unwrap();
    assert_eq!(refused(), "another server has it open");
    for number in 0..1000 {
        write(
            &kv,
            &format!("k{number}"),
            set(vec![number as u8; 300], None),
        )
        .unwrap();
    }
    drop(kv);
    let small = Limits {
        max_memory: 1000,
        ..LIMITS
    };
    let error = Kv::in_file(small, &path).err().expect("a fault");
    assert!(error.contains("`max_memory`"), "{error}");

    let whole = std::fs::read(&path).unwrap();
    for at in [
        0,
        70,
        400,
        4096 + 20,
        4096 * 2 + 100,
        whole.len() / 2,
        whole.len() / 3,
    ] {
        let mut damaged = whole.clone();
        for byte in &mut damaged[at..][..64] {
            *byte ^= 0x5a;
        }
        std::fs::write(&path, &damaged).unwrap();
        // Damage to a part that is not in use does no harm.
        if let Ok(kv) = Kv::in_file(LIMITS, &path) {
            let all = (0..1000).all(|number| {
                value(&kv, &format!("k{number}")) == Some(vec![number as u8; 300].into())
            });
            assert!(all, "byte {at}");
        }
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused();
    std::fs::write(&path, "this is no database at all".repeat(1000)).unwrap();
    assert_eq!(refused(), "it is damaged, or no file of Waterspout's");
    let other = folder.path().join("other.redb");
    let database = redb::Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: redb::TableDefinition<u64, u64> = redb::TableDefinition::new("theirs");
    transaction.open_table(table).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Kv::in_file(LIMITS, &other).err().expect("a fault");
    assert_eq!(error, "it is a database of another program");
}

/// Writes that wait together are committed together; one commit for each would wait for the disk each time.
#[test]
fn writes_of_one_moment_share_a_commit_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let kv = Kv::in_file(LIMITS, &path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let sums = runtime.block_on(futures_util::future::join_all(
        (0..2000).map(|_| kv.write(place("n"), Act::Increment(1))),
    ));
    let mut sums: Vec<i64> = sums
        .into_iter()
        .map(|sum| match sum {
            Ok(Done::Incremented(sum)) => sum,
            other => panic!("{other:?}"),
        })
        .collect();
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=2000));
    drop(kv);
    let kv = Kv::in_file(LIMITS, &path).unwrap();
    assert_eq!(value(&kv, "n"), Some("2000".into()));
}

#[test]
fn the_last_listings_go_on_and_in_their_own_bucket_alone() {
    let mut cursors = Cursors::default();
    let first = cursors.keep(place("a"));
    assert_eq!(cursors.find(first, "bucket").as_deref(), Some("a"));
    assert_eq!(cursors.find(first, "other"), None);
    for _ in 0..Cursors::MOST {
        cursors.keep(place("b"));
    }
    assert_eq!(cursors.find(first, "bucket"), None);
    assert_eq!(cursors.find(first + 1, "bucket").as_deref(), Some("b"));
}
