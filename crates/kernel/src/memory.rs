//! Typed flat memory: what the interpreters compute in, and what literals of arrays are collected into.

use crate::lane::Scalar;
use tracelift_tensor::{Array, DType, Error, Result};

macro_rules! memory {
    ($($variant:ident($element:ty) $zero:literal $poison:expr,)*) => {
        /// Elements of one type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Memory {
            $(#[doc = concat!("Elements of type ", stringify!($element), ".")] $variant(Vec<$element>),)*
        }

        impl Memory {
            /// `len` zeros; an error if there is no room for them.
            pub fn zeros(dtype: DType, len: usize) -> Result<Memory> {
                match dtype {
                    $(DType::$variant => {
                        let mut elements: Vec<$element> = vec![];
                        let room = elements.try_reserve_exact(len);
                        room.map_err(|_| Error::out_of_memory(format!("there is no room for {len} elements of type {dtype}")))?;
                        elements.resize(len, $zero);
                        Ok(Memory::$variant(elements))
                    })*
                    other => Err(Error::type_(format!("{other} has no scalar operations yet"))),
                }
            }

            /// Memory whose elements have values that nothing right comes from.
            pub(crate) fn poison(dtype: DType, len: usize) -> Result<Memory> {
                let mut memory = Memory::zeros(dtype, len)?;
                match &mut memory {
                    $(Memory::$variant(elements) => elements.fill($poison),)*
                }
                Ok(memory)
            }

            /// The elements of an array.
            pub fn of(array: &Array) -> Result<Memory> {
                match array.dtype() {
                    $(DType::$variant => Ok(Memory::$variant(array.to_vec::<$element>()?)),)*
                    other => Err(Error::type_(format!("{other} has no scalar operations yet"))),
                }
            }

            /// An array of these elements.
            pub fn to_array(&self, shape: &[usize]) -> Result<Array> {
                match self {
                    $(Memory::$variant(elements) => Array::new(shape, elements),)*
                }
            }

            /// The type of the elements.
            pub fn dtype(&self) -> DType {
                match self {
                    $(Memory::$variant(_) => DType::$variant,)*
                }
            }

            /// How many elements there are.
            pub fn len(&self) -> usize {
                match self {
                    $(Memory::$variant(elements) => elements.len(),)*
                }
            }

            /// The n-th element.
            pub fn get(&self, n: usize) -> Scalar {
                match self {
                    $(Memory::$variant(elements) => Scalar::$variant(elements[n]),)*
                }
            }

            /// Sets the n-th element; the types agree, as the verifiers see to.
            pub fn set(&mut self, n: usize, value: Scalar) {
                match (self, value) {
                    $((Memory::$variant(elements), Scalar::$variant(x)) => elements[n] = x,)*
                    (memory, value) => panic!("{value} is stored to memory of {}", memory.dtype()),
                }
            }
        }
    };
}

memory! {
    F32(f32) 0.0 f32::NAN,
    F64(f64) 0.0 f64::NAN,
    I32(i32) 0 -0x5eed_5eed,
    I64(i64) 0 -0x5eed_5eed_5eed,
    U8(u8) 0 0xa5,
    Bool(bool) false true,
}

impl Memory {
    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that holds these values, all of that type.
    pub fn from_scalars(dtype: DType, values: &[Scalar]) -> Result<Memory> {
        let mut memory = Memory::zeros(dtype, values.len())?;
        for (n, value) in values.iter().enumerate() {
            memory.set(n, *value);
        }
        Ok(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back() {
        let arrays =
            [Array::new([2, 1], [1.5f32, -0.0]).unwrap(), Array::new([2], [true, false]).unwrap(), Array::scalar(7i64)];
        for array in arrays {
            let memory = Memory::of(&array).unwrap();
            let values: Vec<Scalar> = (0..memory.len()).map(|n| memory.get(n)).collect();
            let again = Memory::from_scalars(array.dtype(), &values).unwrap();
            assert!(again.to_array(array.shape()).unwrap().bit_eq(&array));
        }
        assert!(Memory::zeros(DType::F64, usize::MAX).is_err());
    }
}
