//! The value at the end of a function as a `return`, for functions whose returns are lowered.

use quote::ToTokens;
use syn::{Block, Expr, ExprBlock, Stmt, Type, parse_quote, parse_quote_spanned, spanned::Spanned, visit::Visit};

use super::moved::mentioned;

/// Whether a type cannot be written down for a variable.
pub(crate) fn is_opaque(ty: &Type) -> bool {
    struct Impl(bool);
    impl<'ast> Visit<'ast> for Impl {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Impl(false);
    found.visit_type(ty);
    found.0
}

/// Makes the value at the end of a function a `return`.
pub(crate) fn returnify(block: &mut Block, unit: bool) {
    match block.stmts.pop() {
        Some(Stmt::Expr(Expr::Return(jump), semi)) => block.stmts.push(Stmt::Expr(Expr::Return(jump), semi)),
        Some(Stmt::Expr(Expr::If(mut branch), None)) if branch.else_branch.is_some() && has_return(&branch) => {
            returnify(&mut branch.then_branch, unit);
            if let Some((_, otherwise)) = &mut branch.else_branch {
                let mut block = into_block((**otherwise).clone());
                returnify(&mut block, unit);
                **otherwise = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block });
            }
            block.stmts.push(Stmt::Expr(Expr::If(branch), None));
        }
        Some(Stmt::Expr(Expr::Match(mut choice), None)) if has_return(&choice) => {
            for arm in &mut choice.arms {
                let mut block = into_block((*arm.body).clone());
                returnify(&mut block, unit);
                *arm.body = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block });
            }
            block.stmts.push(Stmt::Expr(Expr::Match(choice), None));
        }
        Some(Stmt::Expr(Expr::Block(mut inner), None)) if inner.label.is_none() && has_return(&inner) => {
            returnify(&mut inner.block, unit);
            block.stmts.push(Stmt::Expr(Expr::Block(inner), None));
        }
        Some(Stmt::Expr(Expr::Loop(repeat), None)) if has_return(&repeat) => {
            block.stmts.push(Stmt::Expr(Expr::Loop(repeat), None));
        }
        Some(Stmt::Expr(value, None)) if !(unit && is_loop(&value)) => {
            block.stmts.push(parse_quote_spanned!(value.span()=> return #value;));
        }
        last => {
            block.stmts.extend(last);
            if unit {
                block.stmts.push(parse_quote!(return;));
            }
        }
    }
}

pub(crate) fn is_loop(expr: &Expr) -> bool {
    matches!(expr, Expr::While(_) | Expr::ForLoop(_))
}

pub(crate) fn has_return(code: &impl ToTokens) -> bool {
    mentioned(code).iter().any(|word| word == "return")
}

/// An expression as a block.
pub(crate) fn into_block(expr: Expr) -> Block {
    match expr {
        Expr::Block(block) if block.label.is_none() => block.block,
        other => Block { brace_token: Default::default(), stmts: vec![Stmt::Expr(other, None)] },
    }
}
