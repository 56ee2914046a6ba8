//! The import table of ARCHITECTURE.md against the code: who imports whom, between parts and between files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use crate::{is_rust, root, text, tracked};

/// A module of the service: the folders and file that it lies in, `["calls", "settle"]`.
type Module = Vec<String>;

/// Files that may import every part: the crate's root, the program, and the entry points of the fuzz targets.
const ABOVE_ALL: [&str; 3] = ["src/lib.rs", "src/main.rs", "src/fuzzing.rs"];

/// A file's imports within the service.
#[derive(Default)]
struct Imports {
    /// Everything named by a path, as it is written, made absolute.
    paths: BTreeSet<Module>,
    /// Names that the file hands on, with where they come from.
    exports: BTreeMap<String, Module>,
}

/// Collects the paths of one file. Test modules may import what they like.
struct Collector<'a> {
    module: Module,
    modules: &'a BTreeSet<Module>,
    imports: Imports,
}

impl Collector<'_> {
    /// A path made absolute, if it stays within the service.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        if supers > 0 {
            let mut absolute = self.module[..self.module.len().checked_sub(supers)?].to_vec();
            absolute.extend_from_slice(&path[supers..]);
            return Some(absolute);
        }
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&self.module[..], &path[1..]].concat()),
            first => {
                let child = [&self.module[..], &[first.to_owned()]].concat();
                self.modules.contains(&child).then(|| [&self.module[..], path].concat())
            }
        }
    }

    fn add_use(&mut self, tree: &UseTree, before: &[String], exported: bool) {
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.add_use(&path.tree, &before, exported);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before, exported);
                }
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let path = if name == "self" { before.to_vec() } else { [before, &[name]].concat() };
                self.add_path(&path, exported);
            }
            UseTree::Rename(name) => self.add_path(&[before, &[name.ident.to_string()]].concat(), exported),
            UseTree::Glob(_) => self.add_path(before, exported),
        }
    }

    fn add_path(&mut self, path: &[String], exported: bool) {
        let Some(path) = self.absolute(path) else { return };
        if exported && let Some(name) = path.last() {
            self.imports.exports.insert(name.clone(), path.clone());
        }
        self.imports.paths.insert(path);
    }

    /// Paths within a macro's call: `crate::a::b` as three names with colons between them.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let end = |collector: &mut Self, path: &mut Vec<String>| {
            let path = std::mem::take(path);
            // `pub(super)` names nothing.
            if path.len() > 1 {
                collector.add_path(&path, false);
            }
        };
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() && (name == "crate" || name == "super") => {
                    path.push(name.to_string());
                }
                TokenTree::Ident(name) if !path.is_empty() => path.push(name.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => {}
                TokenTree::Group(group) => {
                    end(self, &mut path);
                    self.add_tokens(group.stream());
                }
                _ => end(self, &mut path),
            }
        }
        end(self, &mut path);
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_test = attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
        });
        if !is_test {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        // An inline module sees its file as `super`.
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let exported = !matches!(item.vis, Visibility::Inherited);
        self.add_use(&item.tree, &[], exported);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if written.len() > 1 && ["crate", "super", "self"].contains(&written[0].as_str()) {
            self.add_path(&written, false);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::a)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// The files that each file imports.
fn graph() -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeMap<Module, String> = tracked()
        .into_iter()
        .filter(|path| is_rust(path) && path.starts_with("src"))
        .filter(|path| !ABOVE_ALL.iter().any(|above| path == Path::new(above)))
        .filter_map(|path| Some((module_of(&path), text(&path)?)))
        .collect();
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let imports: BTreeMap<&Module, Imports> = files
        .iter()
        .map(|(module, text)| {
            let mut collector =
                Collector { module: module.clone(), modules: &modules, imports: Imports::default() };
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
            collector.visit_file(&file);
            (module, collector.imports)
        })
        .collect();
    let defining = |path: &Module| -> Option<Module> {
        let mut path = path.clone();
        // A name may be handed on several times.
        for _ in 0..8 {
            let file = (1..=path.len())
                .rev()
                .map(|length| path[..length].to_vec())
                .find(|it| modules.contains(it))?;
            let exported = path.get(file.len()).and_then(|name| imports[&file].exports.get(name));
            match exported {
                Some(origin) => path = [&origin[..], &path[file.len() + 1..]].concat(),
                None => return Some(file),
            }
        }
        None
    };
    imports
        .iter()
        .map(|(module, imports)| {
            let files = imports.paths.iter().filter_map(defining).filter(|file| file != *module);
            ((*module).clone(), files.collect())
        })
        .collect()
}

/// The parts, the lowest first, as ARCHITECTURE.md lists them.
fn parts() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## The parts").nth(1).expect("ARCHITECTURE.md has a section `The parts`");
    let section = section.split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `src/")?.split('`').next())
        .map(|place| place.trim_end_matches('/').trim_end_matches(".rs").to_owned())
        .collect()
}

fn written(module: &Module) -> String {
    format!("src/{}", module.join("/"))
}

#[test]
fn a_part_imports_only_parts_listed_before_it() {
    let parts = parts();
    let place = |module: &Module| parts.iter().position(|part| *part == module[0]);
    let mut wrong = Vec::new();
    for (module, imported) in graph() {
        let Some(own) = place(&module) else {
            wrong.push(format!("{} is in no part of the table", written(&module)));
            continue;
        };
        for imported in imported {
            if place(&imported).is_none_or(|place| place > own) {
                wrong.push(format!("{} imports {}", written(&module), written(&imported)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let graph = graph();
    let unknown: Vec<&String> =
        parts.iter().filter(|part| !graph.keys().any(|module| module[0] == **part)).collect();
    assert!(unknown.is_empty(), "the table lists parts that do not exist: {unknown:?}");
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let graph = graph();
    let mut in_cycles = Vec::new();
    for start in graph.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Module> = graph[start].iter().collect();
        while let Some(module) = next.pop() {
            if module == start {
                in_cycles.push(written(start));
                break;
            }
            if seen.insert(module) {
                next.extend(graph.get(module).into_iter().flatten());
            }
        }
    }
    assert!(in_cycles.is_empty(), "{in_cycles:#?}");
}
