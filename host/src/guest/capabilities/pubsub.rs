//! `waterspout:pubsub/pubsub`: guests publish messages and receive them. Checks names and sizes; keeps nothing itself.

use std::sync::Arc;

use wasmtime::component::{Accessor, HasSelf, Resource};

use super::capability::Capability;
use super::give_way;
use crate::guest::bindings::pubsub::{
    self, Error, Host, HostSubscription, HostSubscriptionWithStore, HostWithStore, Message,
};
use crate::guest::resources::Ctx;
use crate::services::pubsub::{MAX_CAPACITY, MAX_MESSAGE, MAX_TOPIC, MessageSubscription};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| pubsub::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn publish(
        accessor: &Accessor<Ctx, Self>,
        topic: String,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let heard = match check_topic(&topic) {
            Ok(()) if data.len() > MAX_MESSAGE => {
                drop(data);
                Err(Error::TooLarge(MAX_MESSAGE as u32))
            }
            Ok(()) => {
                let services = accessor.with(|mut access| access.get().services.clone());
                Ok(services.topics.publish(&topic, &data.into()))
            }
            Err(error) => Err(error),
        };
        // It may have any length, and a wait keeps as little as it can.
        drop(topic);
        give_way(accessor).await;
        Ok(heard)
    }

    async fn subscribe(
        accessor: &Accessor<Ctx, Self>,
        topic: String,
        capacity: u32,
    ) -> wasmtime::Result<Result<Resource<MessageSubscription>, Error>> {
        if let Err(error) = check_topic(&topic) {
            return Ok(Err(error));
        }
        if !(1..=MAX_CAPACITY).contains(&capacity) {
            return Ok(Err(Error::Capacity(MAX_CAPACITY)));
        }
        // Before a subscription is made: a guest that drops this wait would never drop the subscription.
        give_way(accessor).await;
        accessor.with(|mut access| {
            let ctx = access.get();
            let quota = &ctx.quota;
            match ctx.services.topics.subscribe(&topic, (), capacity, quota) {
                Some(subscription) => Ok(Ok(ctx.table.push(Arc::new(subscription))?)),
                None => Ok(Err(Error::TooMany(quota.max_subscriptions()))),
            }
        })
    }
}

impl HostSubscription for Ctx {
    fn take(
        &mut self,
        subscription: Resource<MessageSubscription>,
    ) -> wasmtime::Result<Option<Message>> {
        let taken = self.table.get(&subscription)?.take();
        Ok(taken.map(|(held, dropped)| Message {
            data: held.message.to_vec(),
            dropped,
        }))
    }

    fn drop(&mut self, subscription: Resource<MessageSubscription>) -> wasmtime::Result<()> {
        self.table.delete(subscription)?;
        Ok(())
    }
}

impl HostSubscriptionWithStore<Ctx> for HasSelf<Ctx> {
    async fn ready(
        accessor: &Accessor<Ctx, Self>,
        subscription: Resource<MessageSubscription>,
    ) -> wasmtime::Result<()> {
        let subscription =
            accessor.with(|mut access| access.get().table.get(&subscription).cloned())?;
        let ready = subscription.ready().await;
        give_way(accessor).await;
        ready
            .map_err(|_| wasmtime::format_err!("another `ready` of this subscription is under way"))
    }
}

fn check_topic(topic: &str) -> Result<(), Error> {
    match topic.len() {
        1..=MAX_TOPIC => Ok(()),
        length => Err(Error::TopicLength(
            u32::try_from(length).unwrap_or(u32::MAX),
        )),
    }
}
