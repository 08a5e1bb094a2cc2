//! What few requests have.
//!
//! In a box, since a request is moved some times before it is answered, and each word of it counts. Freed out of line:
//! whoever has nothing here would pay for the size of that code.

/// A `T` in a box, or nothing.
#[derive(Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T> Rare<T> {
    pub(crate) const NOTHING: Rare<T> = Rare(None);

    pub(crate) fn of(it: T) -> Rare<T> {
        Rare(Some(Box::new(it)))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Leaves nothing behind.
    #[inline]
    pub(crate) fn take(&mut self) -> Rare<T> {
        Rare(self.0.take())
    }

    #[inline]
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.0.take().map(|it| *it)
    }
}

impl<T> Drop for Rare<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(it) = self.0.take() {
            free(it);
        }
    }
}

#[inline(never)]
fn free<T>(it: Box<T>) {
    drop(it);
}
