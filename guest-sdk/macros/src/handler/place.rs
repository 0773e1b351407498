//! The places of errors: each `?` in a handler's function notes where it stands, if it ends the function.

use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Item, parse_quote_spanned};

/// Has each `?` of a function note its place. What stands in a closure or an `async` block ends only that.
pub fn note_places(block: &mut Block) {
    Questions.visit_block_mut(block);
}

struct Questions;

impl VisitMut for Questions {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Closure(_) | Expr::Async(_) => return,
            _ => visit_mut::visit_expr_mut(self, expression),
        }
        if let Expr::Try(question) = expression {
            let (inner, span) = (&question.expr, question.question_token.span());
            question.expr = parse_quote_spanned! {span=>
                ::waterspout_sdk::__private::tried(#inner)
            };
        }
    }

    /// Functions and the like within the function.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
