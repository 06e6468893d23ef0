//! What routers learned from seen models alone, kept while a sweep asks one quiz after another: the networks of the twin of
//! every quiz are the same, and are trained once.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by name, of one replicate. Whoever remembers something vouches that its name tells all that it depends on and
/// that the quiz is not among it.
#[derive(Default)]
pub(crate) struct Memo {
    values: Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>,
}

impl Memo {
    /// The value of that name, made where nobody has made it. Two threads may make the same one: the values are equal.
    ///
    /// # Errors
    /// What making it gives.
    pub(crate) fn get_or_make<T: Clone + Send + Sync + 'static, E>(
        &self,
        name: String,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = || self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&name).cloned();
        if let Some(value) = known.as_deref().and_then(|value| value.downcast_ref::<T>()) {
            return Ok(value.clone());
        }
        // Not under the lock: making it takes long, and may wait for other threads that come by here.
        let value = make()?;
        lock().insert(name, Arc::new(value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_a_name_and_a_failure_is_not_kept() {
        let memo = Memo::default();
        let make = |name: &str, value: Result<u32, String>| memo.get_or_make(name.to_owned(), || value);
        assert_eq!(make("a", Err("no".into())), Err("no".into()));
        assert_eq!(make("a", Ok(1)), Ok(1));
        assert_eq!(make("a", Ok(2)), Ok(1));
        assert_eq!(make("b", Ok(3)), Ok(3));
    }
}
