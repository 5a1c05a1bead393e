//! `break`, `continue` and `return` under a condition that may be a tensor: they become flags, and what follows them is
//! run while the flags are down.
//!
//! A jump is lowered if it is a statement of its own and an `if`, or an inner loop, lies between it and what it leaves.
//! Other jumps stay: the conditions they hang on are known while tracing. After `if c { …; break; }` the rest of the
//! block becomes the `else`, so that nothing is run twice and plain values keep their moves.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::{
    Attribute, Block, Expr, ExprBlock, ExprIf, Ident, ItemFn, Lifetime, Local, ReturnType, Stmt, Type, parse_quote,
    parse_quote_spanned, spanned::Spanned, visit_mut::VisitMut,
};

use super::{
    loop_value::{NativeBreaks, gives_value},
    moved::{clones, mentioned, moved},
    names::{bound, conditions, declared, has_let, mutable_references},
    own,
    returns::{has_return, into_block, is_loop, is_opaque, returnify},
};

/// Lowers the jumps of a function.
pub(crate) fn lower(item: &mut ItemFn) {
    let mut trial = item.block.clone();
    let references = mutable_references(item);
    let mut lower = Lower { references: references.clone(), ..Lower::default() };
    lower.function(&mut trial);
    if !lower.returns_found {
        item.block = trial;
        return;
    }
    // Once one `return` is a flag, all that are statements are.
    let output: Type = match &item.sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let unit = matches!(&output, Type::Tuple(tuple) if tuple.elems.is_empty());
    returnify(&mut item.block, unit);
    Lower { returns: true, references, ..Lower::default() }.function(&mut item.block);
    let annotation = (!is_opaque(&output)).then(|| quote::quote!(: ::tracelift::__rt::ag::Late<#output>));
    let (result, returned) = (result(), returned());
    let before: [Stmt; 2] = [
        parse_quote!(let mut #result #annotation = ::tracelift::__rt::ag::Late::new();),
        parse_quote!(let mut #returned = ::tracelift::__rt::ag::NO;),
    ];
    item.block.stmts.splice(0..0, before);
    item.block.stmts.push(Stmt::Expr(parse_quote!(#result.take()), None));
}

fn result() -> Ident {
    Ident::new("__result", Span::call_site())
}

fn returned() -> Ident {
    Ident::new("__returned", Span::call_site())
}

/// Whether code goes on behind a statement, as far as lowered jumps decide.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Perhaps,
    Away,
}

/// A loop around a statement.
struct Around {
    number: usize,
    label: Option<Lifetime>,
    /// Whether an `if` lies between the loop and the statement.
    crossed: bool,
    /// Whether a jump uses its flags.
    lowered: bool,
    /// Whether it is a `loop` that gives a value.
    value: bool,
    /// The variables of one round.
    declared: BTreeSet<Ident>,
}

#[derive(Default)]
struct Lower {
    /// The variables that are mutable references.
    references: BTreeSet<Ident>,
    loops: Vec<Around>,
    made: usize,
    /// Whether returns are lowered, too.
    returns: bool,
    /// Whether there is one to lower.
    returns_found: bool,
    /// Whether the statements at hand are those of the function, not of a value within it.
    within_function: bool,
    /// Whether an `if` lies between the function and the statement.
    crossed: bool,
}

impl Lower {
    fn function(&mut self, block: &mut Block) {
        self.within_function = true;
        // The value of the function is no statement.
        let value = match block.stmts.last() {
            Some(Stmt::Expr(_, None)) if !self.returns => block.stmts.pop(),
            _ => None,
        };
        (block.stmts, _) = self.stmts(std::mem::take(&mut block.stmts));
        if let Some(Stmt::Expr(mut value, semi)) = value {
            // What is both value and statement may have returns in it.
            match &mut value {
                Expr::If(_) | Expr::Match(_) | Expr::While(_) | Expr::ForLoop(_) | Expr::Loop(_) | Expr::Block(_) => {
                    let mut trial = Lower { made: self.made, ..Lower::default() };
                    trial.within_function = true;
                    let _ = trial.stmts(vec![Stmt::Expr(value.clone(), None)]);
                    self.returns_found |= trial.returns_found;
                    self.values(&mut value);
                }
                _ => self.values(&mut value),
            }
            block.stmts.push(Stmt::Expr(value, semi));
        }
    }

    /// Lowers the statements of a block that gives no value.
    fn stmts(&mut self, stmts: Vec<Stmt>) -> (Vec<Stmt>, Goes) {
        let mut done = Vec::new();
        let mut rest: std::collections::VecDeque<Stmt> = stmts.into();
        while let Some(stmt) = rest.pop_front() {
            let (stmt, goes) = match self.diverging_let(stmt, &mut rest) {
                Stmt::Expr(Expr::If(branch), _) if !has_let(&branch.cond) => self.branch(branch, &mut rest),
                Stmt::Expr(expr, semi) => self.statement(expr, semi),
                Stmt::Local(mut local) => {
                    if let Some(init) = &mut local.init {
                        self.values(&mut init.expr);
                        if let Some((_, otherwise)) = &mut init.diverge {
                            self.values(otherwise);
                        }
                    }
                    (vec![Stmt::Local(local)], Goes::On)
                }
                other => (vec![other], Goes::On),
            };
            done.extend(stmt);
            match goes {
                Goes::On => {}
                Goes::Away => return (done, Goes::Away),
                Goes::Perhaps if rest.is_empty() => return (done, Goes::Perhaps),
                Goes::Perhaps => {
                    let going = self.going_on();
                    let (rest, goes) = self.crossing(|this| this.stmts(rest.into()));
                    done.push(parse_quote!(if #going { #(#rest)* }));
                    return (done, if goes == Goes::Away { Goes::Away } else { Goes::Perhaps });
                }
            }
        }
        (done, Goes::On)
    }

    /// The condition that no flag is up.
    fn going_on(&self) -> Expr {
        match self.loops.last() {
            Some(around) => {
                let name = own("loop", around.number, Span::call_site());
                parse_quote!(#name.goes_on())
            }
            None => {
                let returned = returned();
                parse_quote!(::tracelift::__rt::ag::down(&#returned))
            }
        }
    }

    /// Whether a variable is declared outside of the innermost loop.
    fn outlives_round(&self, name: &Ident) -> bool {
        self.loops.last().is_some_and(|around| !around.declared.contains(name))
    }

    /// Does something under an `if`.
    fn crossing<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        let here = match self.loops.last_mut() {
            Some(around) => std::mem::replace(&mut around.crossed, true),
            None => std::mem::replace(&mut self.crossed, true),
        };
        let result = run(self);
        match self.loops.last_mut() {
            Some(around) => around.crossed = here,
            None => self.crossed = here,
        }
        result
    }

    /// `let x = if c { break } else { y }; …` as `if c { break } else { let x = y; … }`.
    fn diverging_let(&mut self, stmt: Stmt, rest: &mut std::collections::VecDeque<Stmt>) -> Stmt {
        let Stmt::Local(local) = &stmt else { return stmt };
        let Some(init) = local.init.as_ref().filter(|init| init.diverge.is_none()) else { return stmt };
        let Expr::If(branch) = &*init.expr else { return stmt };
        let Some((_, otherwise)) = branch.else_branch.as_ref().filter(|_| !has_let(&branch.cond)) else { return stmt };
        let otherwise = into_block((**otherwise).clone());
        let (first, second) = (self.ends_in_jump(&branch.then_branch), self.ends_in_jump(&otherwise));
        if first == second {
            return stmt;
        }
        let rest = rest.drain(..);
        let with = |value: &Block| -> Block {
            let (mut local, rest): (Local, Vec<Stmt>) = (local.clone(), rest.collect());
            if let Some(init) = &mut local.init {
                *init.expr = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block: value.clone() });
            }
            parse_quote!({ #local #(#rest)* })
        };
        let (cond, then) = (&branch.cond, &branch.then_branch);
        let (then, otherwise) = if first { (then.clone(), with(&otherwise)) } else { (with(then), otherwise) };
        parse_quote!(if #cond #then else #otherwise)
    }

    /// Whether a block ends in a jump that would be lowered under an `if`.
    fn ends_in_jump(&self, block: &Block) -> bool {
        match block.stmts.last() {
            Some(Stmt::Expr(Expr::Break(jump), _)) => self.target(jump.label.as_ref()).is_some(),
            Some(Stmt::Expr(Expr::Continue(jump), _)) => self.target(jump.label.as_ref()).is_some(),
            Some(Stmt::Expr(Expr::Return(_), _)) => self.within_function,
            _ => false,
        }
    }

    /// An `if` that may depend on a tensor; takes the rest of the block into the branch that goes on.
    fn branch(&mut self, branch: ExprIf, rest: &mut std::collections::VecDeque<Stmt>) -> (Vec<Stmt>, Goes) {
        let ExprIf { mut cond, then_branch, else_branch, if_token, .. } = branch;
        self.values(&mut cond);
        let has_else = else_branch.is_some();
        let otherwise = else_branch.map(|(_, expr)| into_block(*expr)).unwrap_or_else(|| parse_quote!({}));
        let unlowered = (then_branch.clone(), otherwise.clone());
        let (then, then_goes) = self.crossing(|this| this.stmts(then_branch.stmts));
        let (other, other_goes) = self.crossing(|this| this.stmts(otherwise.stmts));
        let span = if_token.span;
        if then_goes == Goes::On && other_goes == Goes::On {
            // Values at the end of the branches stay: the `if` may be one itself.
            let (then, other) = (braced(then), braced(other));
            let otherwise = has_else.then(|| quote::quote!(else #other));
            return (vec![Stmt::Expr(parse_quote_spanned!(span=> if #cond #then #otherwise), None)], Goes::On);
        }
        let (mut then, mut other) = (ended(then), ended(other));
        let mut goes = match (then_goes, other_goes) {
            (Goes::Away, Goes::Away) => Goes::Away,
            _ => Goes::Perhaps,
        };
        let last = match (then_goes, other_goes) {
            (Goes::Away, Goes::On) => Some(&mut other),
            (Goes::On, Goes::Away) => Some(&mut then),
            _ => None,
        };
        if let Some(last) = last.filter(|_| !rest.is_empty()) {
            let (rest, rest_goes) = self.crossing(|this| this.stmts(rest.drain(..).collect()));
            let before = std::mem::take(last);
            if !before.is_empty() {
                // What the branch declares is not seen by the rest.
                last.push(Stmt::Expr(Expr::Block(parse_quote!({ #(#before)* })), None));
            }
            last.extend(ended(rest));
            goes = if rest_goes == Goes::Away { Goes::Away } else { Goes::Perhaps };
        }
        // What is behind, and the next round of a loop, may be run after the jump: what is moved here is cloned.
        let later: BTreeSet<Ident> = rest.iter().flat_map(mentioned).collect();
        for (lowered, branch, goes) in [(&mut then, &unlowered.0, then_goes), (&mut other, &unlowered.1, other_goes)] {
            if goes != Goes::On {
                let moved = moved(branch);
                let kept = moved.iter().filter(|name| later.contains(name) || self.outlives_round(name));
                let kept = clones(branch, kept.filter(|name| !self.references.contains(name)));
                lowered.splice(0..0, kept);
            }
        }
        let (then, other) = (braced(then), braced(other));
        (vec![Stmt::Expr(parse_quote_spanned!(span=> if #cond #then else #other), None)], goes)
    }

    fn statement(&mut self, expr: Expr, semi: Option<syn::Token![;]>) -> (Vec<Stmt>, Goes) {
        let same = |expr| (vec![Stmt::Expr(expr, semi)], Goes::On);
        match expr {
            Expr::Break(mut jump) => {
                if let Some(value) = &mut jump.expr {
                    self.values(value);
                }
                match self.lowered(jump.label.as_ref()) {
                    Some(target) => (self.break_to(target, jump.expr.as_deref(), jump.span()), Goes::Away),
                    None => same(Expr::Break(jump)),
                }
            }
            Expr::Continue(jump) => match self.lowered(jump.label.as_ref()) {
                Some(target) => (self.continue_to(target, jump.span()), Goes::Away),
                None => same(Expr::Continue(jump)),
            },
            Expr::Return(mut jump) => {
                if let Some(value) = &mut jump.expr {
                    self.values(value);
                }
                self.returns_found |= self.within_function && (self.crossed || !self.loops.is_empty());
                if !(self.returns && self.within_function) {
                    return same(Expr::Return(jump));
                }
                (self.return_value(jump.expr.as_deref(), jump.span()), Goes::Away)
            }
            Expr::If(mut branch) => {
                // Patterns are matched by host values.
                self.values(&mut branch.cond);
                let (then, then_goes) = self.stmts(branch.then_branch.stmts);
                let mut goes = then_goes;
                branch.then_branch = braced(then);
                if let Some((_, otherwise)) = &mut branch.else_branch {
                    let (block, other) = self.stmts(into_block((**otherwise).clone()).stmts);
                    **otherwise = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block: braced(block) });
                    goes = both(goes, other);
                } else {
                    goes = both(goes, Goes::On);
                }
                (vec![Stmt::Expr(Expr::If(branch), semi)], goes)
            }
            Expr::Match(mut choice) => {
                self.values(&mut choice.expr);
                let mut goes = None;
                for arm in &mut choice.arms {
                    let (block, arm_goes) = self.stmts(into_block((*arm.body).clone()).stmts);
                    if arm_goes != Goes::On || matches!(&*arm.body, Expr::Block(_)) {
                        let block = braced(block);
                        *arm.body = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block });
                    } else {
                        self.values(&mut arm.body);
                    }
                    goes = Some(goes.map_or(arm_goes, |goes| both(goes, arm_goes)));
                }
                (vec![Stmt::Expr(Expr::Match(choice), semi)], goes.unwrap_or(Goes::On))
            }
            Expr::Block(mut block) if block.label.is_none() => {
                let (stmts, goes) = self.stmts(block.block.stmts);
                block.block.stmts = stmts;
                (vec![Stmt::Expr(Expr::Block(block), semi)], goes)
            }
            Expr::While(mut repeat) => {
                self.values(&mut repeat.cond);
                let pattern = conditions(&repeat.cond);
                let goes = self.repeat(&mut repeat.body, repeat.label.as_ref(), &mut repeat.attrs, Some(pattern));
                (vec![Stmt::Expr(Expr::While(repeat), semi)], goes)
            }
            Expr::ForLoop(mut repeat) => {
                self.values(&mut repeat.expr);
                let pattern = bound(&repeat.pat);
                let goes = self.repeat(&mut repeat.body, repeat.label.as_ref(), &mut repeat.attrs, Some(pattern));
                (vec![Stmt::Expr(Expr::ForLoop(repeat), semi)], goes)
            }
            Expr::Loop(mut repeat) => {
                let goes = self.repeat(&mut repeat.body, repeat.label.as_ref(), &mut repeat.attrs, None);
                (vec![Stmt::Expr(Expr::Loop(repeat), semi)], goes)
            }
            mut other => {
                self.values(&mut other);
                same(other)
            }
        }
    }

    /// Lowers the body of a loop, a `loop` if it has no pattern; says whether code behind the loop may be skipped.
    fn repeat(
        &mut self,
        body: &mut Block,
        label: Option<&syn::Label>,
        attributes: &mut Vec<Attribute>,
        pattern: Option<BTreeSet<Ident>>,
    ) -> Goes {
        self.made += 1;
        let number = self.made;
        let value = pattern.is_none() && gives_value(body);
        let mut declared = declared(body);
        declared.extend(pattern.into_iter().flatten());
        let label = label.map(|label| label.name.clone());
        self.loops.push(Around { number, label, crossed: false, lowered: false, value, declared });
        // Which loops are left from in here is told by their flags, which earlier jumps may have set already.
        let before: Vec<bool> = self.loops.iter_mut().map(|around| std::mem::take(&mut around.lowered)).collect();
        let has_returns = has_return(body);
        (body.stmts, _) = self.stmts(std::mem::take(&mut body.stmts));
        let Some(around) = self.loops.pop() else { return Goes::On };
        let left =
            self.loops.iter().any(|around| around.lowered) || (self.returns && self.within_function && has_returns);
        for (around, before) in self.loops.iter_mut().zip(before) {
            around.lowered |= before;
        }
        if around.lowered {
            let value = around.value.then(|| quote::quote!(, value));
            attributes.push(parse_quote!(#[__loop(#number #value)]));
            if around.value {
                NativeBreaks { number }.visit_block_mut(body);
            }
        }
        if left { Goes::Perhaps } else { Goes::On }
    }

    /// Lowers the loops within a value; nothing jumps out of one.
    fn values(&mut self, expr: &mut Expr) {
        struct Values<'a>(&'a mut usize, &'a BTreeSet<Ident>);
        impl VisitMut for Values<'_> {
            fn visit_expr_mut(&mut self, expr: &mut Expr) {
                match expr {
                    Expr::While(_) | Expr::ForLoop(_) | Expr::Loop(_) => {
                        let (made, references) = (*self.0, self.1.clone());
                        let mut lower = Lower { made, references, ..Lower::default() };
                        let (mut stmts, _) = lower.statement(expr.clone(), None);
                        *self.0 = lower.made;
                        if let Some(Stmt::Expr(lowered, _)) = stmts.pop() {
                            *expr = lowered;
                        }
                    }
                    Expr::Closure(_) => {}
                    other => syn::visit_mut::visit_expr_mut(self, other),
                }
            }
            fn visit_item_mut(&mut self, _: &mut syn::Item) {}
        }
        Values(&mut self.made, &self.references).visit_expr_mut(expr);
    }

    /// The loop that a jump leaves.
    fn target(&self, label: Option<&Lifetime>) -> Option<usize> {
        match label {
            None => self.loops.len().checked_sub(1),
            Some(label) => {
                self.loops.iter().rposition(|around| around.label.as_ref().is_some_and(|own| own.ident == label.ident))
            }
        }
    }

    /// The loop that a jump leaves, if a condition or an inner loop lies in between.
    fn lowered(&self, label: Option<&Lifetime>) -> Option<usize> {
        let target = self.target(label)?;
        (target + 1 < self.loops.len() || self.loops[target].crossed).then_some(target)
    }

    /// Raises the flags of a loop and those inside of it.
    fn stop(&mut self, target: usize, span: Span) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        for around in &mut self.loops[target..] {
            around.lowered = true;
            let name = own("loop", around.number, span);
            stmts.push(parse_quote_spanned!(span=> #name.broke = ::tracelift::__rt::ag::YES;));
        }
        stmts
    }

    fn break_to(&mut self, target: usize, value: Option<&Expr>, span: Span) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        if self.loops[target].value {
            let name = own("value", self.loops[target].number, span);
            let value = value.cloned().unwrap_or_else(|| parse_quote!(()));
            stmts.push(parse_quote_spanned!(span=> #name = ::tracelift::__rt::ag::Late::of(#value);));
        }
        stmts.extend(self.stop(target, span));
        stmts
    }

    fn continue_to(&mut self, target: usize, span: Span) -> Vec<Stmt> {
        let mut stmts = self.stop(target + 1, span);
        let around = &mut self.loops[target];
        around.lowered = true;
        let name = own("loop", around.number, span);
        stmts.push(parse_quote_spanned!(span=> #name.continued = ::tracelift::__rt::ag::YES;));
        stmts
    }

    fn return_value(&mut self, value: Option<&Expr>, span: Span) -> Vec<Stmt> {
        let (result, returned) = (result(), returned());
        let value = value.cloned().unwrap_or_else(|| parse_quote!(()));
        let mut stmts: Vec<Stmt> = vec![
            parse_quote_spanned!(span=> #result = ::tracelift::__rt::ag::Late::of(#value);),
            parse_quote_spanned!(span=> #returned = ::tracelift::__rt::ag::YES;),
        ];
        stmts.extend(self.stop(0, span));
        stmts
    }
}

fn both(one: Goes, other: Goes) -> Goes {
    if one == other { one } else { Goes::Perhaps }
}

fn braced(stmts: Vec<Stmt>) -> Block {
    Block { brace_token: Default::default(), stmts }
}

/// Statements whose last one gives no value.
fn ended(mut stmts: Vec<Stmt>) -> Vec<Stmt> {
    if let Some(Stmt::Expr(last, semi @ None)) = stmts.last_mut() {
        let is_block = matches!(last, Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Loop(_)) || is_loop(last);
        if !is_block {
            *semi = Some(Default::default());
        }
    }
    stmts
}
