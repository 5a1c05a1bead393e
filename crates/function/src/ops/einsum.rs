//! Einstein's summation: products of tensors whose axes have names.
//!
//! Operands are taken from left to right. An axis that nobody needs any more is summed as early as possible: inside of a
//! product of matrices if two operands have it, else by a sum. Products without a sum are ordinary multiplications.

use tracelift_ir::ops::{Broadcast, DotGeneral};
use tracelift_tensor::{Dim, Error, Result, Shape};

use crate::{
    Tensor,
    dispatch::{apply, poison, refuse},
    scope,
};

/// The name of an axis: a letter, or a place among the axes that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// Counted from the last one, which is 0.
    Dots(usize),
    Letter(char),
}

/// An operand with the names of its axes, all different.
struct Named {
    tensor: Tensor,
    names: Vec<Name>,
}

/// Sums of products over named axes, as NumPy writes them: `einsum("ij,jk->ik", &[&a, &b])` is the product of matrices.
///
/// A letter that stands twice in one operand is its diagonal; one that is not in the result is summed over. `...` stands
/// for all other axes, which are broadcast. Without `->` the result has the letters that occur once, in alphabetical order,
/// behind the axes of `...`.
///
/// ```
/// use tracelift_function::{einsum, tensor};
///
/// let a = tensor([[1., 2.], [3., 4.]]);
/// assert_eq!(einsum("ij,jk->ik", &[&a, &a]).to_vec::<f32>()?, [7., 10., 15., 22.]);
/// assert_eq!(einsum("ii", &[&a]).item::<f32>()?, 5.);
/// assert_eq!(einsum("...i,i->...", &[&a, &tensor([1., 10.])]).to_vec::<f32>()?, [21., 43.]);
/// # Ok::<(), tracelift_function::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn einsum(equation: &str, operands: &[&Tensor]) -> Tensor {
    if let Some(poisoned) = poison(operands) {
        return poisoned;
    }
    let _here = scope::here();
    match names_of(equation, operands) {
        Ok((inputs, output)) => {
            let named =
                operands.iter().zip(inputs).map(|(tensor, names)| diagonals((*tensor).clone(), names)).collect();
            contract(named, &output)
        }
        Err(error) => refuse("einsum", error.help("write it like \"ij,jk->ik\""), operands),
    }
}

/// The names of all axes of the operands and of the result.
fn names_of(equation: &str, operands: &[&Tensor]) -> Result<(Vec<Vec<Name>>, Vec<Name>)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let strange = |c: &char| !c.is_alphabetic() && !matches!(c, '.' | ',');
    if let Some(c) = inputs.chars().chain(output.unwrap_or_default().chars()).find(strange) {
        return Err(Error::invalid(format!("cannot read {c:?} in {equation:?}: names are letters")));
    }
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != operands.len() || operands.is_empty() {
        let message = format!("names {} operands in {equation:?} and is given {}", inputs.len(), operands.len());
        return Err(Error::invalid(message));
    }
    let first = operands[0].dtype();
    if let Some(other) = operands.iter().find(|operand| operand.dtype() != first) {
        return Err(Error::invalid(format!("takes operands of one dtype, got {first} and {}", other.dtype())));
    }
    let named = inputs.iter().zip(operands).map(|(text, operand)| {
        let rank = operand.rank();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let dots = rank.checked_sub(letters).filter(|dots| *dots == 0 || text.contains("..."));
        let dots =
            dots.ok_or_else(|| Error::invalid(format!("has {text:?} for {}: not one name per axis", operand.ty())))?;
        names(text, dots, equation)
    });
    let named = named.collect::<Result<Vec<Vec<Name>>>>()?;
    let all = || named.iter().flatten().copied();
    let most_dots = all().filter(|name| matches!(name, Name::Dots(_))).max().map_or(0, |name| match name {
        Name::Dots(n) => n + 1,
        Name::Letter(_) => 0,
    });
    let output = match output {
        Some(text) => {
            let output = names(text, most_dots, equation)?;
            for (n, name) in output.iter().enumerate() {
                if output[..n].contains(name) {
                    return Err(Error::invalid(format!("names an axis of its result twice in {equation:?}")));
                }
                if !all().any(|known| known == *name) {
                    return Err(Error::invalid(format!(
                        "has a name in its result that no operand has in {equation:?}"
                    )));
                }
            }
            if most_dots > 0 && !text.contains("...") {
                return Err(Error::invalid(format!("lacks `...` in the result of {equation:?}")));
            }
            output
        }
        None => {
            let mut once: Vec<Name> = all()
                .filter(|name| matches!(name, Name::Letter(_)) && all().filter(|other| other == name).count() == 1)
                .collect();
            once.sort_unstable();
            (0..most_dots).rev().map(Name::Dots).chain(once).collect()
        }
    };
    check_sizes(&named, operands)?;
    Ok((named, output))
}

/// The names in the text of one operand, `...` being `dots` axes.
fn names(text: &str, dots: usize, equation: &str) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    let (before, behind) = match text.split_once("...") {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    };
    let letters = |part: &str, names: &mut Vec<Name>| {
        part.chars().try_for_each(|c| match c.is_alphabetic() {
            true => {
                names.push(Name::Letter(c));
                Ok(())
            }
            false => Err(Error::invalid(format!("cannot read {c:?} in {equation:?}: names are letters"))),
        })
    };
    letters(before, &mut names)?;
    if let Some(behind) = behind {
        names.extend((0..dots).rev().map(Name::Dots));
        letters(behind, &mut names)?;
    }
    Ok(names)
}

/// Equal letters have equal sizes; axes of `...` may be one.
fn check_sizes(named: &[Vec<Name>], operands: &[&Tensor]) -> Result {
    let mut sizes: Vec<(Name, Dim)> = Vec::new();
    for (names, operand) in named.iter().zip(operands) {
        for (name, dim) in names.iter().zip(operand.shape().iter()) {
            if matches!(name, Name::Dots(_)) && dim.is_one() {
                continue;
            }
            match sizes.iter().find(|(known, _)| known == name) {
                Some((_, other)) if (other - dim).known().is_some_and(|difference| difference != 0) => {
                    let what = match name {
                        Name::Letter(letter) => format!("`{letter}`"),
                        Name::Dots(_) => "an axis of `...`".to_owned(),
                    };
                    return Err(Error::invalid(format!("has sizes {other} and {dim} for {what}")));
                }
                Some(_) => {}
                None => sizes.push((*name, dim.clone())),
            }
        }
    }
    Ok(())
}

/// Axes of one name made one: the diagonal over them.
#[track_caller]
fn diagonals(mut tensor: Tensor, mut names: Vec<Name>) -> Named {
    let twice = |names: &[Name]| (1..names.len()).find(|n| names[..*n].contains(&names[*n]));
    while let Some(second) = twice(&names) {
        let first = names.iter().position(|name| *name == names[second]).expect("it was found before");
        let rest = (0..names.len()).filter(|axis| *axis != first && *axis != second);
        let order: Vec<usize> = rest.chain([first, second]).collect();
        tensor = permuted(&tensor, &order).diag_part();
        names = order[..order.len() - 1].iter().map(|axis| names[*axis]).collect();
    }
    Named { tensor, names }
}

#[track_caller]
fn permuted(tensor: &Tensor, order: &[usize]) -> Tensor {
    if order.iter().enumerate().all(|(n, axis)| n == *axis) {
        return tensor.clone();
    }
    tensor.transpose(&order.iter().map(|axis| *axis as i32).collect::<Vec<_>>())
}

#[track_caller]
fn contract(operands: Vec<Named>, output: &[Name]) -> Tensor {
    let mut rest: Vec<Named> = operands;
    rest.reverse();
    let mut product = rest.pop().expect("there is an operand");
    while let Some(next) = rest.pop() {
        let needed = |name: &Name| output.contains(name) || rest.iter().any(|operand| operand.names.contains(name));
        product = multiply(product, next, &needed);
    }
    let product = summed(product, &|name| output.contains(name));
    let place =
        |name: &Name| product.names.iter().position(|known| known == name).expect("names of the result are known");
    permuted(&product.tensor, &output.iter().map(place).collect::<Vec<_>>())
}

/// Without the axes that are not kept.
#[track_caller]
fn summed(x: Named, keep: &dyn Fn(&Name) -> bool) -> Named {
    let axes: Vec<i64> = (0..x.names.len()).filter(|n| !keep(&x.names[*n])).map(|n| n as i64).collect();
    if axes.is_empty() {
        return x;
    }
    Named { tensor: x.tensor.sum(axes), names: x.names.into_iter().filter(keep).collect() }
}

/// The product of two operands, summed over the axes that nobody needs afterwards.
#[track_caller]
fn multiply(x: Named, y: Named, needed: &dyn Fn(&Name) -> bool) -> Named {
    let (x, y) = (squeezed(x, &y), y);
    let y = squeezed(y, &x);
    let x = summed(x, &|name| needed(name) || y.names.contains(name));
    let y = summed(y, &|name| needed(name) || x.names.contains(name));
    let both: Vec<Name> = x.names.iter().copied().filter(|name| y.names.contains(name)).collect();
    let (batch, inner): (Vec<Name>, Vec<Name>) = both.into_iter().partition(needed);
    let free = |operand: &Named| -> Vec<Name> {
        operand.names.iter().copied().filter(|name| !batch.contains(name) && !inner.contains(name)).collect()
    };
    let names: Vec<Name> = batch.iter().copied().chain(free(&x)).chain(free(&y)).collect();
    let axes = |operand: &Named, wanted: &[Name]| {
        wanted.iter().map(|name| operand.names.iter().position(|known| known == name).expect("both have it")).collect()
    };
    let tensor = if inner.is_empty() {
        spread(&x, &y, &names) * spread(&y, &x, &names)
    } else {
        let op = DotGeneral {
            lhs_batch: axes(&x, &batch),
            rhs_batch: axes(&y, &batch),
            lhs_contract: axes(&x, &inner),
            rhs_contract: axes(&y, &inner),
        };
        apply(op, &[&x.tensor, &y.tensor])
    };
    Named { tensor, names }
}

/// Without the axes of `...` of size one that the other operand has larger.
#[track_caller]
fn squeezed(x: Named, other: &Named) -> Named {
    let shape = x.tensor.shape();
    let is_repeated = |n: usize| {
        let larger = |at: usize| !other.tensor.shape()[at].is_one();
        matches!(x.names[n], Name::Dots(_))
            && shape[n].is_one()
            && other.names.iter().position(|name| *name == x.names[n]).is_some_and(larger)
    };
    let gone: Vec<usize> = (0..x.names.len()).filter(|n| is_repeated(*n)).collect();
    if gone.is_empty() {
        return x;
    }
    let kept = |n: &usize| !gone.contains(n);
    let dims: Vec<Dim> = (0..x.names.len()).filter(kept).map(|n| shape[n].clone()).collect();
    let names = (0..x.names.len()).filter(kept).map(|n| x.names[n]).collect();
    Named { tensor: x.tensor.reshape(dims), names }
}

/// An operand with its axes in the places that they have among `names`, repeated along the others.
#[track_caller]
fn spread(x: &Named, other: &Named, names: &[Name]) -> Tensor {
    let place = |name: &Name| names.iter().position(|known| known == name).expect("a product has all names");
    let mut order: Vec<usize> = (0..x.names.len()).collect();
    order.sort_by_key(|axis| place(&x.names[*axis]));
    let axes: Vec<usize> = order.iter().map(|axis| place(&x.names[*axis])).collect();
    let size = |name: &Name| {
        let of = |operand: &Named| {
            operand.names.iter().position(|known| known == name).map(|n| operand.tensor.shape()[n].clone())
        };
        of(x).or_else(|| of(other)).expect("one of both has it")
    };
    let shape: Shape = names.iter().map(size).collect();
    apply(Broadcast { shape, axes: axes.as_slice().into() }, &[&permuted(&x.tensor, &order)])
}
