//! ES modules as CommonJS, for programs that `require` them.

use std::fmt::Write as _;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    ExportDefaultDeclarationKind, ImportDeclaration, ImportDeclarationSpecifier, ModuleDeclaration,
    ModuleExportName, Statement,
};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder, SymbolId};
use oxc::span::{GetSpan as _, SourceType, Span};
use oxc::syntax::module_record::{ExportExportName, ModuleRecord};

/// In front of every module. The body stands in a function of its own, because an ES module may call its own
/// variables `require` or `__dirname`, and has no `this`.
const OUTSIDE: &str = "\"use strict\";const $$require=require,$$file=__filename,$$exports=exports;\
    Object.defineProperty($$exports,\"__esModule\",{value:true});(function(){";
/// What the import of a module is: of another ES module its exports, of anything else that thing as `default` and
/// its properties by name.
const IMPORT: &str = "const $$import=(found)=>{\
    if(found&&(found.__esModule||found[Symbol.toStringTag]===\"Module\"))return found;\
    const made={};\
    if(found!==null&&(typeof found===\"object\"||typeof found===\"function\"))\
    for(let at=found;at&&at!==Object.prototype&&at!==Function.prototype;at=Object.getPrototypeOf(at))\
    for(const name of Object.getOwnPropertyNames(at))if(name!==\"default\"&&!(name in made))\
    Object.defineProperty(made,name,{enumerable:true,get:()=>found[name]});\
    return Object.defineProperty(made,\"default\",{enumerable:true,value:found})};";
/// Exports are read when they are used, so that modules may import each other.
const EXPORT: &str = "const $$export=(names)=>{for(const name in names)\
    Object.defineProperty($$exports,name,{enumerable:true,configurable:true,get:names[name]})};";
const STAR: &str = "const $$star=(from)=>{for(const name of Object.keys(from))\
    if(name!==\"default\"&&!Object.hasOwn($$exports,name))\
    Object.defineProperty($$exports,name,{enumerable:true,get:()=>from[name]})};";
const META: &str = "const $$meta={url:$$require(\"url\").pathToFileURL($$file).href,filename:$$file,\
    dirname:$$require(\"path\").dirname($$file)};";
/// A module that can only be imported is imported.
const DYNAMIC: &str = "const $$dynamic=async(what)=>{try{return $$import($$require(`${what}`))}catch(error){\
    if(!`${error&&error.code}`.startsWith(\"ERR_REQUIRE_\"))throw error;return import(what)}};";

/// The CommonJS module that does what an ES module does, in JavaScript and with its lines where they were.
///
/// `None` when the source has nothing of an ES module, or has syntax errors. Exports stay live, modules may import each
/// other, and of a CommonJS module its `module.exports` is the default import. What `await`s at its top level
/// cannot be required.
#[must_use]
pub fn commonjs(source: &str) -> Option<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    let record = &parsed.module_record;
    let bare = !record.has_module_syntax && record.dynamic_imports.is_empty();
    if parsed.panicked || bare {
        return None;
    }
    let semantic = SemanticBuilder::new()
        .with_build_nodes(true)
        .build(&parsed.program)
        .semantic;
    let mut module = Module::new(source, &semantic);
    for statement in &parsed.program.body {
        module.statement(statement, record);
    }
    for span in &record.import_metas {
        module.replace(*span, "$$meta".to_owned());
    }
    for dynamic in &record.dynamic_imports {
        let start = dynamic.span.start;
        module.replace(Span::new(start, start + 6), "$$dynamic".to_owned());
    }
    let mut made = OUTSIDE.to_owned();
    made.push_str(IMPORT);
    made.push_str(EXPORT);
    made.push_str(STAR);
    if !record.import_metas.is_empty() {
        made.push_str(META);
    }
    if !record.dynamic_imports.is_empty() {
        made.push_str(DYNAMIC);
    }
    module.finish(&mut made);
    made.push_str("\n})();\n");
    Some(made)
}

/// What an identifier that was imported is read from.
struct Imported {
    symbol: SymbolId,
    read: String,
}

struct Module<'a, 's> {
    source: &'s str,
    semantic: &'s Semantic<'a>,
    /// Pieces of the source and what stands there instead.
    edits: Vec<(Span, String)>,
    /// The modules that are needed, in their order.
    requires: String,
    count: usize,
    imported: Vec<Imported>,
    /// Names and what they are.
    exports: Vec<(String, String)>,
}

impl<'a, 's> Module<'a, 's> {
    fn new(source: &'s str, semantic: &'s Semantic<'a>) -> Self {
        Self {
            source,
            semantic,
            edits: Vec::new(),
            requires: String::new(),
            count: 0,
            imported: Vec::new(),
            exports: Vec::new(),
        }
    }

    fn replace(&mut self, span: Span, with: String) {
        self.edits.push((span, with));
    }

    /// Takes a piece out, but for the ends of its lines.
    fn remove(&mut self, span: Span) {
        let lines = span.source_text(self.source).matches('\n').count();
        self.replace(span, "\n".repeat(lines));
    }

    /// Requires a module and says what it is called here.
    fn require(&mut self, source: &str) -> String {
        let name = format!("$${}", self.count);
        self.count += 1;
        let source = quoted(source);
        let _ = write!(self.requires, "const {name}=$$import($$require({source}));");
        name
    }

    fn statement(&mut self, statement: &Statement<'a>, record: &ModuleRecord<'a>) {
        let Some(declaration) = statement.as_module_declaration() else {
            return;
        };
        let span = declaration.span();
        match declaration {
            ModuleDeclaration::ImportDeclaration(import) => self.import(import),
            ModuleDeclaration::ExportAllDeclaration(all) => {
                let from = self.require(&all.source.value);
                match &all.exported {
                    Some(name) => self.exports.push((name.name().to_string(), from)),
                    None => {
                        let _ = write!(self.requires, "$$star({from});");
                    }
                }
                self.remove(span);
            }
            ModuleDeclaration::ExportFromDeclaration(export) => {
                let from = self.require(&export.source.value);
                for specifier in &export.specifiers {
                    let read = member(&from, &specifier.local.name());
                    self.exports.push((specifier.exported.name().to_string(), read));
                }
                self.remove(span);
            }
            ModuleDeclaration::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    let read = self.read(&specifier.local);
                    self.exports.push((specifier.exported.name().to_string(), read));
                }
                self.remove(span);
            }
            ModuleDeclaration::ExportDeclaration(export) => {
                let names = record.local_export_entries.iter();
                for entry in names.filter(|entry| entry.statement_span == span) {
                    if let (ExportExportName::Name(name), Some(local)) =
                        (&entry.export_name, entry.local_name.name())
                    {
                        self.exports.push((name.name.to_string(), local.to_string()));
                    }
                }
                self.remove(Span::new(span.start, export.declaration.span().start));
            }
            ModuleDeclaration::ExportDefaultDeclaration(export) => {
                self.default(span.start, &export.declaration);
            }
            ModuleDeclaration::TSExportAssignment(_) | ModuleDeclaration::TSNamespaceExportDeclaration(_) => {
            }
        }
    }

    fn import(&mut self, import: &ImportDeclaration<'a>) {
        let from = self.require(&import.source.value);
        for specifier in import.specifiers.iter().flatten() {
            let (local, read) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(named) => {
                    (&named.local, member(&from, &named.imported.name()))
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(default) => {
                    (&default.local, member(&from, "default"))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(all) => (&all.local, from.clone()),
            };
            self.imported.push(Imported {
                symbol: local.symbol_id(),
                read,
            });
        }
        self.remove(import.span);
    }

    fn default(&mut self, start: u32, declaration: &ExportDefaultDeclarationKind<'a>) {
        let before = Span::new(start, declaration.span().start);
        let (id, function) = match declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => (&function.id, Some(function)),
            ExportDefaultDeclarationKind::ClassDeclaration(class) => (&class.id, None),
            _ => (&None, None),
        };
        let name = match (id, function) {
            (Some(id), _) => {
                self.remove(before);
                id.name.to_string()
            }
            // Functions exist before the first line runs.
            (None, Some(function)) => {
                self.remove(before);
                let parameters = function.params.span.start;
                self.replace(Span::new(parameters, parameters), " $$default".to_owned());
                "$$default".to_owned()
            }
            (None, None) => {
                self.replace(before, "const $$default=".to_owned());
                "$$default".to_owned()
            }
        };
        self.exports.push(("default".to_owned(), name));
    }

    /// What a name in an export list reads.
    fn read(&self, local: &ModuleExportName<'a>) -> String {
        let name = local.name();
        let symbol = self.semantic.scoping().get_root_binding(name.as_str().into());
        let imported = self.imported.iter().find(|found| Some(found.symbol) == symbol);
        imported.map_or_else(|| name.to_string(), |found| found.read.clone())
    }

    /// Puts what was imported where its names are used.
    fn uses(&mut self) {
        let (scoping, nodes) = (self.semantic.scoping(), self.semantic.nodes());
        for imported in &self.imported {
            for reference in scoping.get_resolved_references(imported.symbol) {
                let node: NodeId = reference.node_id();
                let span = nodes.kind(node).span();
                let read = &imported.read;
                let with = match nodes.parent_kind(node) {
                    // Taken out with its statement.
                    AstKind::ExportSpecifier(_) => continue,
                    AstKind::ObjectProperty(property) if property.shorthand => {
                        format!("{}:{read}", span.source_text(self.source))
                    }
                    // What is called as a method would be given `this`.
                    AstKind::CallExpression(call) if call.callee.span() == span => format!("(0,{read})"),
                    AstKind::TaggedTemplateExpression(call) if call.tag.span() == span => {
                        format!("(0,{read})")
                    }
                    _ => read.clone(),
                };
                self.edits.push((span, with));
            }
        }
    }

    fn finish(mut self, made: &mut String) {
        self.uses();
        made.push_str("$$export({");
        for (name, read) in &self.exports {
            let _ = write!(made, "{}:()=>{read},", quoted(name));
        }
        made.push_str("});");
        made.push_str(&self.requires);
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let mut at = 0;
        for (span, with) in &self.edits {
            let (start, end) = (span.start as usize, span.end as usize);
            if start >= at {
                made.push_str(&self.source[at..start]);
                made.push_str(with);
                at = end;
            }
        }
        made.push_str(&self.source[at..]);
    }
}

fn member(of: &str, name: &str) -> String {
    format!("{of}[{}]", quoted(name))
}

/// A text as a literal of JavaScript.
fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\0' => {
                let _ = write!(literal, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => literal.push(letter),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(source: &str) -> String {
        let made = commonjs(source).expect("a module");
        let (_, body) = made.split_once("$$export({").expect("exports");
        body.trim_end_matches("\n})();\n").to_owned()
    }

    #[test]
    fn scripts_are_left_alone() {
        for source in ["const a = require('a');", "exports.a = 1", "import {", ""] {
            assert_eq!(commonjs(source), None, "{source}");
        }
    }

    #[test]
    fn names_are_read_where_they_are_used() {
        assert_eq!(
            body("import d, { a as b } from './x';\nb(d, { b });\nimport * as ns from \"y\";\nns.f(b.c);"),
            "});const $$0=$$import($$require(\"./x\"));const $$1=$$import($$require(\"y\"));\n\
             (0,$$0[\"a\"])($$0[\"default\"], { b:$$0[\"a\"] });\n\n$$1.f($$0[\"a\"].c);"
        );
        // Another variable of the same name is another variable.
        assert!(body("import { a } from 'x'; const f = (a) => a;").ends_with(" const f = (a) => a;"));
    }

    #[test]
    fn exports_are_read_when_they_are_asked_for() {
        assert_eq!(
            body("export const { a, b: [c] } = {}; let d; export { d as e };\nexport function f() {}"),
            "\"a\":()=>a,\"c\":()=>c,\"e\":()=>d,\"f\":()=>f,});const { a, b: [c] } = {}; let d; \nfunction f() {}"
        );
        assert_eq!(
            body("export { x as y } from 'm'; export * from 'n'; export * as o from 'p';"),
            "\"y\":()=>$$0[\"x\"],\"o\":()=>$$2,});const $$0=$$import($$require(\"m\"));const $$1=$$import($$require(\"n\"));\
             $$star($$1);const $$2=$$import($$require(\"p\"));  "
        );
        assert_eq!(
            body("import { a } from 'x';\nexport { a };"),
            "\"a\":()=>$$0[\"a\"],});const $$0=$$import($$require(\"x\"));\n"
        );
    }

    #[test]
    fn the_default_export_has_a_name() {
        for (source, rest) in [
            ("export default function f() {}", "f,});function f() {}"),
            (
                "export default function () {}",
                "$$default,});function  $$default() {}",
            ),
            (
                "export default async function* () {}",
                "$$default,});async function*  $$default() {}",
            ),
            ("export default class {}", "$$default,});const $$default=class {}"),
            ("export default class C {}", "C,});class C {}"),
            ("export default 1 + 2;", "$$default,});const $$default=1 + 2;"),
        ] {
            assert_eq!(body(source), format!("\"default\":()=>{rest}"), "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source =
            "import {\n  a\n} from 'x';\nthrow a;\nexport const b = import.meta.url;\nawait import('y');";
        let made = commonjs(source).expect("a module");
        let lines: Vec<_> = made.lines().collect();
        assert_eq!(
            &lines[3..6],
            [
                "throw $$0[\"a\"];",
                "const b = $$meta.url;",
                "await $$dynamic('y');"
            ]
        );
    }
}
