//! How wasmtime is configured, and how many instances it has room for. Compiles nothing.

use std::sync::Arc;

use wasmtime::{
    CacheStore, Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy,
    WasmBacktraceDetails,
};

use crate::base::error::Error;

/// The settings of the engine. None of them can change later.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest memory that one instance may be allowed, in bytes.
    pub max_instance_memory: u64,
    /// The largest number of live instances.
    pub max_instances: u32,
    /// Whether a guest's stack has files and lines. They come from the guest's own debugging information, which may be
    /// made so that reading it takes long.
    pub debug_info: bool,
}

/// The largest number of live instances within the kernel's limit on memory mappings. A process that runs out of
/// mappings dies.
pub fn max_instances() -> u32 {
    /// A pooled instance's memory and tables take about six.
    const PER_INSTANCE: u64 = 6;
    /// A stack and its guard, which are mapped from the start.
    const PER_STACK: u64 = 2;
    /// Kept back for the allocator, threads and compiled code.
    const KEPT_BACK: u64 = 8_000;
    /// Linux's default, for systems that do not tell.
    const DEFAULT_MAPPINGS: u64 = 65_530;
    const MOST: u64 = 6_500;
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(DEFAULT_MAPPINGS);
    // In quarters of an instance, because it has five quarters of a stack.
    let room =
        mappings.min(1 << 32).saturating_sub(KEPT_BACK) * 4 / (PER_INSTANCE * 4 + PER_STACK * 5);
    u32::try_from(room.clamp(64, MOST)).unwrap_or(64)
}

/// The number of stacks for this number of instances: one each, and more for those whose calls block.
fn stacks(instances: u32) -> u32 {
    instances + instances / 4
}

/// How code is compiled. Code of a compiler with the one configuration runs on an engine with the other.
fn shared_config(debug_info: bool) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .wasm_backtrace_details(match debug_info {
            true => WasmBacktraceDetails::Enable,
            false => WasmBacktraceDetails::Disable,
        });
    config
}

/// For an engine that only compiles.
pub(super) fn compiler_config(
    functions: Arc<dyn CacheStore>,
    debug_info: bool,
) -> wasmtime::Result<Config> {
    let mut config = shared_config(debug_info);
    config.enable_incremental_compilation(functions)?;
    Ok(config)
}

/// For an engine that runs components, and compiles none.
fn instances_config(limits: &Limits) -> Config {
    let slots = limits.max_instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        // A count takes no memory: components of linked modules have dozens.
        .total_core_instances(slots.saturating_mul(64))
        .total_memories(slots)
        .total_tables(slots * 3)
        .total_stacks(stacks(slots))
        .max_memory_size(usize::try_from(limits.max_instance_memory).unwrap_or(usize::MAX))
        .pagemap_scan(Enabled::Auto)
        // Memory that a guest wrote stays mapped up to here and is zeroed by hand, which is cheaper than page faults.
        .linear_memory_keep_resident(256 * 1024)
        .table_keep_resident(64 * 1024);
    let mut config = shared_config(limits.debug_info);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Starts wasmtime with as many instances as there is address space for. Some systems grant less than Linux does.
pub(super) fn start(mut limits: Limits) -> Result<(wasmtime::Engine, Limits), Error> {
    const FEWEST: u32 = 8;
    loop {
        match wasmtime::Engine::new(&instances_config(&limits)) {
            Ok(engine) => return Ok((engine, limits)),
            Err(_) if limits.max_instances > FEWEST => limits.max_instances /= 2,
            Err(error) => return Err(Error::host("the WebAssembly engine can't start", error)),
        }
    }
}
