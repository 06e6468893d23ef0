//! The networks' toolbox: dfdx tensors and tape with operations of our own where dfdx's are slow, and a parameter store.
//!
//! Every tensor is a row-major f32 matrix ([`Tensor2`]) with run-time shape. Ragged sets are packed row under row, and
//! only the operations that need to know where a set ends are told so: there is no padding and no mask. dfdx is never
//! asked for a random number, and no operation runs in parallel: replicates and routers do.
//!
//! An operation takes its input with a tape and gives its output with it, so that the same code trains (with an owned
//! tape) and serves (with none). `parameters` has the dense layer, `pairs` the first and the last layer of a network over all pairs of
//! two lists, `tensor` what lies between, `attention` makes a set encoder and scores the members of a set, `graph` passes messages
//! between prompts and models, and `training` draws from learned distributions, goes back from a loss whose gradient is known in
//! closed form, and keeps the best of the epochs. `named_tensors` are what a trained network is in a file.

mod attention;
mod graph;
mod named_tensors;
mod pairs;
mod parameters;
mod tensor;
#[cfg(test)]
mod testing;
mod training;

pub(crate) use attention::{Sets, pointer, pooling_attention, set_attention};
pub(crate) use graph::{Edges, all_to_all_attention, edge_attention};
pub(crate) use named_tensors::NamedTensors;
pub(crate) use pairs::{Offset, bilinear, gathered_add_relu, interaction, outer_add_relu, own_units};
pub(crate) use parameters::{Activation, Adam, Linear, ParameterId, Parameters, linear};
pub(crate) use tensor::{Owned, Tensor2, layer_norm, scale_columns, softplus_columns, untaped, view};
pub(crate) use training::{BestEpoch, EarlyStopping, back_propagate, reparameterise, stretch};
