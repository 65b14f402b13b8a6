//! Macro that declares the result classes of the Python module.

/// Declares a class with read-only attributes. Instances can be compared, hashed, copied and pickled: a copy calls the
/// constructor with the values of all attributes.
macro_rules! result_class {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $about:literal])* $field:ident: $type:ty,)* } { $($methods:tt)* }) => {
        $(#[doc = $doc])*
        #[pyo3::pyclass(frozen, eq, hash, get_all, from_py_object, module = "formulac")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name { $($(#[doc = $about])* pub $field: $type,)* }

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[allow(clippy::too_many_arguments)] // one argument per attribute
            fn new($($field: $type),*) -> Self {
                Self { $($field),* }
            }

            fn __getnewargs__<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyTuple>> {
                use pyo3::IntoPyObjectExt;
                let values = [$(self.$field.clone().into_bound_py_any(py)?),*];
                pyo3::types::PyTuple::new(py, values)
            }

            $($methods)*
        }
    };
}

pub(crate) use result_class;
