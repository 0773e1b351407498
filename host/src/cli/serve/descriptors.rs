//! How many descriptors the server may have: as many as the system grants it. Opens none.

/// How many are kept for files, listeners and requests to other servers.
const OTHERS: u64 = 1024;

/// Raises the soft limit to the hard one. The soft one is low for programs that use `select`, and this is none. Says so
/// where there are not enough for as many connections as may be open.
pub fn raise_limit(max_connections: usize) {
    let granted = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(granted) => granted,
        Err(error) => {
            tracing::warn!(target: "general", "the limit of descriptors can't be raised: {error}");
            return;
        }
    };
    let wanted = (max_connections as u64).saturating_add(OTHERS);
    if granted < wanted {
        tracing::warn!(
            target: "general",
            "{granted} descriptors are granted, and `max_connections` = {max_connections} may need {wanted}: raise the \
             limit (ulimit -Hn, LimitNOFILE=), or lower `max_connections`"
        );
    }
}
