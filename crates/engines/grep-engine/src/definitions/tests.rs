//! What is a definition, by language.

use super::*;

/// Each line is `kind symbol | line`, or `- | line` for one that defines nothing.
fn check(path: &str, lines: &[&str]) {
    for entry in lines {
        let (expected, line) = entry.split_once(" | ").unwrap();
        let found = classify_line(path, line.as_bytes());
        let shown = found.map_or("-".to_string(), |definition| {
            format!(
                "{} {}",
                definition.kind,
                definition.symbol.as_deref().unwrap_or("?")
            )
        });
        assert_eq!(shown, expected, "{path}: {line}");
    }
}

#[test]
fn rust() {
    check(
        "a.rs",
        &[
            "fn target | pub(crate) async fn target() {",
            "fn target | pub unsafe extern \"C\" fn target() {}",
            "fn target | pub const fn target() -> u8 {",
            "fn target | #[inline] #[must_use] pub fn target() {",
            "struct Target | struct Target;",
            "enum Target | pub enum Target {",
            "union Target | union Target {",
            "trait Target | pub unsafe trait Target {",
            "impl Target | impl<T: Into<U>> From<T> for Target<T> {",
            "impl X | impl Target for X {",
            "mod target | pub mod target;",
            "type Target | type Target = u8;",
            "const TARGET | pub const TARGET: u8 = 1;",
            "static TARGET | static mut TARGET: u8 = 1;",
            "macro_rules! target | macro_rules! target {",
            "- | let y = target();",
            "- | // fn target in a comment",
            "- | /// fn target in a doc comment",
            "- | use crate::target;",
            "- | println!(\"struct target\");",
            "- | return TARGET;",
            "- | \"fn target() {\",",
        ],
    );
}

#[test]
fn python_ruby_and_elixir() {
    check(
        "a.py",
        &[
            "def target | def target(x):",
            "def target | async def target(self):",
            "class Target | class Target(Base):",
            "- | x = target(1)",
            "- | import target",
            "- | # def target",
            "- | return target",
            "- | self.target()",
            "- | \"class Target\"",
        ],
    );
    check(
        "a.rb",
        &[
            "def target | def target",
            "def target? | def self.target?(x)",
            "class Target | class Deep::Target < Base",
            "module Target | module Target",
            "def == | def ==(other)",
            "- | target.call",
            "- | # def target",
        ],
    );
    check(
        "a.ex",
        &[
            "defmodule A.B | defmodule A.B do",
            "defp target | defp target(x) do",
            "- | target(x)",
        ],
    );
}

#[test]
fn javascript_and_typescript() {
    check(
        "a.ts",
        &[
            "class Target | export default class Target {",
            "class Target | @Component({a: 1}) export abstract class Target<T> extends B {",
            "function target | export async function target() {",
            "function target | function* target() {",
            "function ? | export default function () {",
            "interface Target | interface Target {",
            "enum Target | export const enum Target {",
            "namespace target | export namespace target {",
            "type Target | export type Target<T> = string;",
            "const target | export const target = (a) => a;",
            "const target | const target: (a: number) => void = async (a) => {",
            "let target | let target = x => x + 1;",
            "var target | var target = function (a) {",
            "const Target | const Target = <T,>(p: P<T>): JSX.Element => (",
            "method target | target(a: string): void {",
            "method target | private static async target<T>(a: T) {",
            "method constructor | constructor(private a: B) {",
            "method value | get value() {",
            "method get | get() {",
            "- | target();",
            "- | import { Target } from \"x\";",
            "- | new Target();",
            "- | // function target",
            "- | default: return target();",
            "- | if (target(x)) {",
            "- | } else if (target(x)) {",
            "- | describe('target', () => {",
            "- | target(() => {",
            "- | const target = 1;",
            "- | const x = target(a);",
            "- | return target(a) {",
            "- | module.exports = target;",
            "- | type: target,",
        ],
    );
}

#[test]
fn go_zig_and_proto() {
    check(
        "a.go",
        &[
            "func target | func target() {",
            "method target | func (s *S) target() error {",
            "type Target | type Target struct {",
            "var target | var target = 1",
            "const target | const target = 2",
            "- | \tvar target = 1",
            "- | target()",
            "- | x := target{}",
            "- | // func target",
            "- | var (",
        ],
    );
    check(
        "a.zig",
        &[
            "fn target | pub fn target() void {",
            "const T | pub const T = packed struct {",
            "- |     const x = 1;",
        ],
    );
    check(
        "a.proto",
        &[
            "message Target | message Target {",
            "rpc Get | rpc Get(Req) returns (Res);",
            "- | string message = 1;",
        ],
    );
}

#[test]
fn java_and_its_kin() {
    check(
        "A.java",
        &[
            "class Target | public final class Target {",
            "method target | private static int target(int a) {",
            "method target | Map<String, List<Foo>> target(int a);",
            "method Target | public Target(int a) {",
            "method Target | Target() {",
            "method target | @Override public <T> T target(T a) {",
            "interface Target | public interface Target {",
            "@interface Target | @interface Target {",
            "record Target | record Target(int a) {}",
            "- | target(1);",
            "- | new Target();",
            "- | return target(2);",
            "- | int x = target(2);",
            "- | if (target(2)) {",
            "- | } else if (target(2)) {",
            "- | foo.target(1);",
            "- | throw new Target(1);",
            "- | import com.target.Target;",
            "- |  * class Target in a comment",
        ],
    );
    check(
        "a.cs",
        &[
            "method target | public async Task<int> target() {",
            "method target | public int target() => 1;",
            "namespace A.B | namespace A.B;",
            "record R | public record R(int A);",
            "class C | [Serializable] internal sealed class C : D {",
            "- | await target();",
            "- | using (var x = target()) {",
            "- | var x = new Target();",
        ],
    );
    check(
        "a.kt",
        &[
            "fun target | fun target() = 1",
            "fun target | suspend fun <T> List<T>.target(): T {",
            "class Target | data class Target(val a: Int)",
            "enum Target | enum class Target { A }",
            "object Target | object Target {",
            "- | target { it }",
            "- | val x = target()",
        ],
    );
    check(
        "a.swift",
        &[
            "func target | public func target() {",
            "protocol Target | protocol Target {",
            "extension Target | extension Target: Codable {",
            "func == | static func == (a: A, b: A) -> Bool {",
            "- | case target(Int)",
            "- | target()",
        ],
    );
    check(
        "a.php",
        &[
            "function target | public static function target() {",
            "class T | final class T extends U",
            "- | # class T",
        ],
    );
    check(
        "a.scala",
        &[
            "def target | def target(x: Int) =",
            "class T | case class T(a: Int)",
            "trait T | sealed trait T",
        ],
    );
}

#[test]
fn c_and_cpp() {
    check(
        "a.c",
        &[
            "function target | static int target(int a)",
            "function target | static struct foo *target(struct bar *b,",
            "function target | void target(void) {",
            "struct target | struct target {",
            "struct target | struct target",
            "#define target | #define target(x) x",
            "#define target | #  define target 1",
            "typedef target_t | typedef struct foo target_t;",
            "typedef handler | typedef int (*handler)(void *);",
            "enum target | enum target {",
            "- | target(3);",
            "- | struct target *p = 0;",
            "- | return target(1);",
            "- | #include \"target.h\"",
            "- | int target(int a);",
            "- | else if (target(1)) {",
            "- | \tint target(int a)",
            "- | static int x = target(1,",
            "- | EXPORT_SYMBOL(target)",
            "- |  * struct target",
        ],
    );
    check(
        "a.cpp",
        &[
            "class Target | class EXPORT Target final : public Base {",
            "namespace a::b | namespace a::b {",
            "enum Target | enum class Target : int {",
            "function run | void Target::run() const {",
            "function ~Target | Target::~Target() {",
            "function target | template <typename T> T target(T a) {",
            "- | std::cout << target(1)",
            "- | public:",
        ],
    );
}

#[test]
fn lua_perl_shell_and_sql() {
    check(
        "a.lua",
        &[
            "function target | local function target()",
            "function M.f | M.f = function(x)",
            "- | -- function x",
            "- | target()",
        ],
    );
    check("a.pl", &["sub target | sub target {", "- | target();"]);
    check(
        "a.sh",
        &[
            "function target | target() {",
            "function target-x | function target-x {",
            "- | target --flag",
            "- | # target() {",
        ],
    );
    check(
        "a.sql",
        &[
            "table target | CREATE TABLE target (a int);",
            "view a.target | create or replace view a.target as",
            "index target | CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"target\" ON x (a);",
            "- | SELECT * FROM target;",
            "- | -- create table target",
        ],
    );
}

#[test]
fn prose_and_data_have_no_definitions() {
    for path in [
        "notes.md",
        "a.json",
        "a.yaml",
        "a.txt",
        "LICENSE",
        "a.csv",
        "dir.rs/file",
    ] {
        check(
            path,
            &["- | class Target is described here", "- | def target too"],
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_line_can_be_classified(
        extension in proptest::sample::select(vec![
            "c", "cs", "dart", "ex", "go", "java", "js", "kt", "lua", "php", "pl", "proto", "py", "rb", "rs", "scala", "sh",
            "sql", "swift", "zig",
        ]),
        start in proptest::sample::select(vec![
            "", "fn ", "typedef ", "public ", "const x", "create table ", "def ", "class ", "func ", "operator", "impl<", "@",
        ]),
        rest in "[a(<{*=:;,é\u{FFFD}~\"> \\[\\]#.@]{0,12}",
    ) {
        classify_line(&format!("a.{extension}"), format!("{start}{rest}").as_bytes());
    }
}
