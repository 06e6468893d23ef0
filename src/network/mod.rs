//! The networks' toolbox: dfdx tensors and tape with operations of our own where dfdx's are slow, and a parameter store.
//!
//! Every tensor is a row-major f32 matrix ([`Tensor2`]) with run-time shape. Ragged sets are packed row under row, and
//! only the operations that need to know where a set ends are told so: there is no padding and no mask. dfdx is never
//! asked for a random number, and no operation runs in parallel: replicates and routers do.
//!
//! An operation takes its input with a tape and gives its output with it, so that the same code trains (with an owned
//! tape) and serves (with none). `linear` is the dense layer, `outer` the first layer of a network over all pairs of two
//! lists, `pairs` its last one, `elementwise` what lies between, `attention` and `layer_norm` make a set encoder, `graph` passes
//! messages between prompts and models, `pointer` scores the members of a set, `sample` draws from learned distributions, and
//! `objective` goes back from a loss whose gradient is known in closed form. `early_stopping` keeps the best of the epochs,
//! `named_tensors` are what a trained network is in a file.

mod attention;
mod early_stopping;
mod elementwise;
mod graph;
mod layer_norm;
mod linear;
mod named_tensors;
mod objective;
mod outer;
mod pairs;
mod parameters;
mod pointer;
mod sample;
mod tensor;
#[cfg(test)]
mod testing;

pub(crate) use attention::{pooling_attention, set_attention};
pub(crate) use early_stopping::{BestEpoch, EarlyStopping};
pub(crate) use elementwise::{scale_columns, softplus_columns};
pub(crate) use graph::{Edges, all_to_all_attention, edge_attention};
pub(crate) use layer_norm::layer_norm;
pub(crate) use linear::{Activation, linear};
pub(crate) use named_tensors::NamedTensors;
pub(crate) use objective::back_propagate;
pub(crate) use outer::{gathered_add_relu, outer_add_relu};
pub(crate) use pairs::{Offset, bilinear, interaction, own_units};
pub(crate) use parameters::{Adam, Linear, ParameterId, Parameters};
pub(crate) use pointer::{Sets, pointer};
pub(crate) use sample::{reparameterise, stretch};
pub(crate) use tensor::{Owned, Tensor2, untaped, view};
