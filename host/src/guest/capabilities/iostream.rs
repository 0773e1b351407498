//! `waterspout:tcp/iostream`: what guests do with a stream. [`crate::services::tcp`] has it.

use wasmtime::component::{Accessor, HasSelf, Linker, Resource};

use super::capability::Capability;
use super::give_way;
use crate::guest::bindings::iostream::{self, Error, Host, HostTcpStream, HostTcpStreamWithStore};
use crate::guest::resources::Ctx;
use crate::services::tcp::{Stream, StreamError};

/// The capability.
pub const CAPABILITY: Capability = Capability::of(link);

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    iostream::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

type Handle = Resource<Stream>;

impl Host for Ctx {}

impl HostTcpStream for Ctx {
    fn read(&mut self, stream: Handle, most: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let stream = self.table.get(&stream)?;
        let (read, number) = stream.read(most as usize);
        if let Some(number) = number {
            self.turn_to_stream(number);
        }
        Ok(read.map_err(Error::from))
    }

    fn write(&mut self, stream: Handle, bytes: Vec<u8>) -> wasmtime::Result<Result<u32, Error>> {
        let written = self.table.get(&stream)?.write(&bytes);
        // A guest's list is shorter than 4 GiB.
        let written = written.map(|written| u32::try_from(written).unwrap_or(u32::MAX));
        Ok(written.map_err(Error::from))
    }

    fn close(&mut self, stream: Handle) -> wasmtime::Result<()> {
        self.table.get(&stream)?.close();
        Ok(())
    }

    fn set_nodelay(&mut self, stream: Handle, nodelay: bool) -> wasmtime::Result<()> {
        self.table.get(&stream)?.set_nodelay(nodelay);
        Ok(())
    }

    fn remote_address(&mut self, stream: Handle) -> wasmtime::Result<String> {
        let addresses = self.table.get(&stream)?.addresses();
        Ok(addresses.map_or_else(String::new, |[_, remote]| remote.to_string()))
    }

    fn local_address(&mut self, stream: Handle) -> wasmtime::Result<String> {
        let addresses = self.table.get(&stream)?.addresses();
        Ok(addresses.map_or_else(String::new, |[local, _]| local.to_string()))
    }

    fn drop(&mut self, stream: Handle) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

fn stream_of(accessor: &Accessor<Ctx, HasSelf<Ctx>>, stream: &Handle) -> wasmtime::Result<Stream> {
    Ok(accessor.with(|mut access| access.get().table.get(stream).cloned())?)
}

impl HostTcpStreamWithStore<Ctx> for HasSelf<Ctx> {
    async fn readable(accessor: &Accessor<Ctx, Self>, stream: Handle) -> wasmtime::Result<()> {
        stream_of(accessor, &stream)?.readable().await;
        give_way(accessor).await;
        Ok(())
    }

    async fn writable(
        accessor: &Accessor<Ctx, Self>,
        stream: Handle,
    ) -> wasmtime::Result<Result<(), Error>> {
        let writable = stream_of(accessor, &stream)?.writable().await;
        give_way(accessor).await;
        Ok(writable.map_err(Error::from))
    }

    async fn ended(accessor: &Accessor<Ctx, Self>, stream: Handle) -> wasmtime::Result<()> {
        stream_of(accessor, &stream)?.ended().await;
        give_way(accessor).await;
        Ok(())
    }

    async fn close_writing(
        accessor: &Accessor<Ctx, Self>,
        stream: Handle,
    ) -> wasmtime::Result<Result<(), Error>> {
        let closed = stream_of(accessor, &stream)?.close_writing().await;
        give_way(accessor).await;
        Ok(closed.map_err(Error::from))
    }

    async fn accept_tls(
        accessor: &Accessor<Ctx, Self>,
        stream: Handle,
    ) -> wasmtime::Result<Result<(), Error>> {
        let accepted = stream_of(accessor, &stream)?.accept_tls().await;
        give_way(accessor).await;
        Ok(accepted.map_err(Error::from))
    }

    async fn start_tls(
        accessor: &Accessor<Ctx, Self>,
        stream: Handle,
        host: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let started = stream_of(accessor, &stream)?.start_tls(&host).await;
        give_way(accessor).await;
        Ok(started.map_err(Error::from))
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed(why) => Self::Closed(why),
            StreamError::Tls(why) => Self::Tls(why),
            StreamError::Invalid(why) => Self::Invalid(why),
        }
    }
}
