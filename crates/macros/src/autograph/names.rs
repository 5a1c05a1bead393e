//! Which variables a piece of code assigns.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::{
    Attribute, BinOp, Block, Expr, ExprAssign, ExprBinary, ExprClosure, ExprForLoop, Ident, Item, ItemFn, Local, Pat,
    PatIdent, PatType, Type, UnOp, visit::Visit,
};

use super::{own, repeat::Lowered};

/// The places that code assigns and that exist outside of it, in the order of the first assignment.
///
/// A place is a variable, a field of one, or what one points to. An assigned element stands for the whole.
///
/// A variable whose elements are assigned and that is not `mutable` itself is a reference to what is.
pub(crate) fn assigned(code: &[&Expr], mutable: &BTreeSet<Ident>) -> Vec<Expr> {
    let mut found = Assigned { mutable, places: Vec::new(), scopes: Vec::new(), outermost: false };
    for code in code {
        found.outermost = true;
        found.visit_expr(code);
    }
    let mut places = Vec::new();
    for place in &found.places {
        // A part of a place that is assigned as a whole is no other place.
        let covered = found.places.iter().any(|other| other != place && contains(other, place));
        if !covered && !places.contains(place) {
            places.push(place.clone());
        }
    }
    places
}

/// The variables that code assigns as a whole.
pub(crate) fn assigned_names(code: &[&Expr]) -> BTreeSet<Ident> {
    let places = assigned(code, &BTreeSet::new());
    let whole = places.iter().filter_map(|place| match place {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    });
    whole.collect()
}

/// Collects the names that patterns give.
struct Names(BTreeSet<Ident>);

impl<'ast> Visit<'ast> for Names {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.0.insert(pattern.ident.clone());
        syn::visit::visit_pat_ident(self, pattern);
    }
}

/// All names that code declares, at any depth.
pub(crate) fn declared(block: &Block) -> BTreeSet<Ident> {
    let mut names = Names(BTreeSet::new());
    names.visit_block(block);
    names.0
}

/// The variables of a function that are mutable references: using one borrows it again rather than move it.
pub(crate) fn mutable_references(item: &ItemFn) -> BTreeSet<Ident> {
    struct References(BTreeSet<Ident>);
    impl References {
        fn typed(&mut self, pattern: &Pat, ty: &Type) {
            if matches!(ty, Type::Reference(reference) if reference.mutability.is_some()) {
                self.0.append(&mut bound(pattern));
            }
        }
    }
    impl<'ast> Visit<'ast> for References {
        fn visit_pat_type(&mut self, typed: &'ast PatType) {
            self.typed(&typed.pat, &typed.ty);
        }
        fn visit_local(&mut self, local: &'ast Local) {
            let init = local.init.as_ref().map(|init| &*init.expr);
            if matches!(init, Some(Expr::Reference(reference)) if reference.mutability.is_some()) {
                self.0.append(&mut bound(&local.pat));
            }
            syn::visit::visit_local(self, local);
        }
    }
    let mut found = References(BTreeSet::new());
    found.visit_item_fn(item);
    found.0
}

/// The names that a pattern gives.
pub(crate) fn bound(pattern: &Pat) -> BTreeSet<Ident> {
    let mut names = Names(BTreeSet::new());
    names.visit_pat(pattern);
    names.0
}

/// The variable at the root of a place.
pub(crate) fn root(place: &Expr) -> Option<&Ident> {
    match place {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(field) => root(&field.base),
        Expr::Paren(paren) => root(&paren.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => root(&unary.expr),
        _ => None,
    }
}

/// Whether one place is another or a part of it.
fn contains(whole: &Expr, part: &Expr) -> bool {
    whole == part
        || match part {
            Expr::Field(field) => contains(whole, &field.base),
            Expr::Paren(paren) => contains(whole, &paren.expr),
            Expr::Unary(unary) => contains(whole, &unary.expr),
            _ => false,
        }
}

struct Assigned<'a> {
    mutable: &'a BTreeSet<Ident>,
    places: Vec<Expr>,
    /// The names that the code declares itself, by scope.
    scopes: Vec<BTreeSet<Ident>>,
    /// Whether the next loop is the code itself: then the variable of its value is outside of it.
    outermost: bool,
}

impl Assigned<'_> {
    /// The body of a loop, which has flags of its own.
    fn repeated(&mut self, attributes: &[Attribute], body: &Block) {
        let mut names: BTreeSet<Ident> = Lowered::of(attributes).number.iter().flat_map(|&n| own_names(n)).collect();
        if std::mem::take(&mut self.outermost) {
            names.retain(|name| !name.to_string().starts_with("__value"));
        }
        self.scopes.push(names);
        self.visit_block(body);
        self.scopes.pop();
    }

    fn hit(&mut self, target: &Expr) {
        match target {
            Expr::Tuple(tuple) => tuple.elems.iter().for_each(|element| self.hit(element)),
            Expr::Array(array) => array.elems.iter().for_each(|element| self.hit(element)),
            Expr::Paren(paren) => self.hit(&paren.expr),
            Expr::Struct(record) => record.fields.iter().for_each(|field| self.hit(&field.expr)),
            Expr::Call(call) => call.args.iter().for_each(|argument| self.hit(argument)),
            other => {
                let place = self.place(other);
                let known = |name: &Ident| self.scopes.iter().any(|scope| scope.contains(name));
                if let Some(place) = place.filter(|place| root(place).is_some_and(|name| !known(name))) {
                    self.places.push(place);
                }
            }
        }
    }
}

impl Assigned<'_> {
    /// What is replaced when a target is assigned: for an element, all that it is an element of.
    fn place(&self, target: &Expr) -> Option<Expr> {
        match target {
            Expr::Index(index) => self.elements(&index.expr),
            Expr::Field(field) if has_index(&field.base) => self.place(&field.base),
            Expr::Unary(unary) if has_index(&unary.expr) => self.place(&unary.expr),
            Expr::Paren(paren) => self.place(&paren.expr),
            other => root(other).is_some().then(|| other.clone()),
        }
    }

    fn elements(&self, whole: &Expr) -> Option<Expr> {
        let place = self.place(whole)?;
        match &place {
            Expr::Path(path) if path.path.get_ident().is_some_and(|name| !self.mutable.contains(name)) => {
                Some(syn::parse_quote!(*#place))
            }
            _ => Some(place),
        }
    }
}

fn has_index(place: &Expr) -> bool {
    match place {
        Expr::Index(_) => true,
        Expr::Field(field) => has_index(&field.base),
        Expr::Paren(paren) => has_index(&paren.expr),
        Expr::Unary(unary) => has_index(&unary.expr),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Assigned<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        self.outermost = false;
        self.scopes.push(BTreeSet::new());
        syn::visit::visit_block(self, block);
        self.scopes.pop();
    }

    fn visit_local(&mut self, local: &'ast Local) {
        syn::visit::visit_local(self, local);
        if let Some(scope) = self.scopes.last_mut() {
            scope.append(&mut bound(&local.pat));
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.scopes.push(bound(&arm.pat));
        syn::visit::visit_arm(self, arm);
        self.scopes.pop();
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.visit_expr(&branch.cond);
        self.scopes.push(conditions(&branch.cond));
        self.visit_block(&branch.then_branch);
        self.scopes.pop();
        if let Some((_, otherwise)) = &branch.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, repeat: &'ast syn::ExprWhile) {
        self.visit_expr(&repeat.cond);
        self.scopes.push(conditions(&repeat.cond));
        self.repeated(&repeat.attrs, &repeat.body);
        self.scopes.pop();
    }

    fn visit_expr_for_loop(&mut self, repeat: &'ast ExprForLoop) {
        self.visit_expr(&repeat.expr);
        self.scopes.push(bound(&repeat.pat));
        self.repeated(&repeat.attrs, &repeat.body);
        self.scopes.pop();
    }

    fn visit_expr_loop(&mut self, repeat: &'ast syn::ExprLoop) {
        self.repeated(&repeat.attrs, &repeat.body);
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        self.hit(&assign.left);
        syn::visit::visit_expr_assign(self, assign);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        if is_assigning(&binary.op) {
            self.hit(&binary.left);
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The names that the `let`s of a condition give.
pub(crate) fn conditions(condition: &Expr) -> BTreeSet<Ident> {
    match condition {
        Expr::Let(let_) => bound(&let_.pat),
        Expr::Binary(binary) => {
            let mut names = conditions(&binary.left);
            names.append(&mut conditions(&binary.right));
            names
        }
        _ => BTreeSet::new(),
    }
}

/// Whether a condition has patterns, which only host values match.
pub(crate) fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Paren(paren) => has_let(&paren.expr),
        _ => false,
    }
}

/// `+=` and the like.
pub(crate) fn is_assigning(op: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// The variables that the macro makes for a loop.
fn own_names(number: usize) -> [Ident; 2] {
    ["loop", "value"].map(|name| own(name, number, Span::call_site()))
}
