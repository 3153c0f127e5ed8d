//! The SQL of an operator, with `$resource`, `$subject` and `$issuer` in it.
//!
//! 1. A variable becomes a numbered parameter: what a request brings is bound, and never a part of the text. In a
//!    literal, a quoted name or a comment it is not a variable.
//! 2. The text is one `SELECT` (or `WITH … SELECT`), and names at least `$resource` and `$subject`.
//! 3. Parameters of the database's own (`$1`, `?`, `:name`, `@name`) are refused: nobody would bind them.
//!
//! The text is taken apart as the database that is meant does it: SQLite (sqlite.org/lang_keywords.html,
//! lang_comment.html), PostgreSQL (its manual, §4.1).

use std::{fmt, iter::Peekable, str::CharIndices};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlDialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

/// What a parameter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlVariable {
    /// `$resource`: what the path names.
    Resource,
    /// `$subject`: who asks.
    Subject,
    /// `$issuer`: the name of the issuer in the configuration that vouches for them.
    Issuer,
}

/// A statement whose variables are parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnerSql {
    text: String,
    variables: Vec<SqlVariable>,
}

/// Why a text is no statement that is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// Nothing but space and comments, or another statement.
    #[error("must be a `SELECT`")]
    NoSelect,
    /// Something follows the statement.
    #[error("must be one statement, and something follows its `;`")]
    SecondStatement,
    /// A variable that is none.
    #[error("has the unknown variable `{0}`: there are `$resource`, `$subject` and `$issuer`")]
    UnknownVariable(String),
    /// A variable without which everything would be everybody's.
    #[error("does not ask for `{0}`")]
    Without(SqlVariable),
    /// A literal, a name or a comment without an end.
    #[error("has a literal, a quoted name or a comment without an end")]
    Unended,
}

impl SqlVariable {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "$resource",
            Self::Subject => "$subject",
            Self::Issuer => "$issuer",
        }
    }
}

impl fmt::Display for SqlVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl OwnerSql {
    /// Reads `text`.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub fn parse(text: &str, dialect: SqlDialect) -> Result<Self, SqlError> {
        let mut parser = Parser {
            dialect,
            source: text,
            characters: text.char_indices().peekable(),
            sql: Self { text: String::with_capacity(text.len()), variables: Vec::new() },
            first_word: None,
            ended: false,
        };
        parser.run()?;
        let first = parser.first_word.unwrap_or_default().to_ascii_uppercase();
        if first != "SELECT" && first != "WITH" {
            return Err(SqlError::NoSelect);
        }
        for variable in [SqlVariable::Resource, SqlVariable::Subject] {
            if !parser.sql.variables.contains(&variable) {
                return Err(SqlError::Without(variable));
            }
        }
        Ok(parser.sql)
    }

    /// The statement, with `$1` and so on.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What each parameter stands for.
    #[must_use]
    pub fn variables(&self) -> &[SqlVariable] {
        &self.variables
    }
}

impl fmt::Debug for OwnerSql {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OwnerSql").field(&self.text).finish()
    }
}

struct Parser<'a> {
    dialect: SqlDialect,
    source: &'a str,
    characters: Peekable<CharIndices<'a>>,
    sql: OwnerSql,
    first_word: Option<&'a str>,
    /// Whether the statement's `;` has been.
    ended: bool,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), SqlError> {
        while let Some((at, character)) = self.characters.next() {
            let is_comment = self.comment(at, character)?;
            if is_comment || character.is_whitespace() {
                // A comment separates as a space does.
                self.sql.text.push(' ');
                continue;
            }
            if self.ended {
                return Err(SqlError::SecondStatement);
            }
            match character {
                ';' => self.ended = true,
                '$' if self.dialect == SqlDialect::Postgres && self.dollar_quoted(at)? => {}
                '$' => self.variable(at)?,
                '\'' | '"' => self.quoted(at, character, false)?,
                '`' if self.dialect == SqlDialect::Sqlite => self.quoted(at, '`', false)?,
                '[' if self.dialect == SqlDialect::Sqlite => self.quoted(at, ']', false)?,
                '?' | '@' | '#' if self.dialect == SqlDialect::Sqlite => return Err(self.unknown(at)),
                ':' if self.dialect == SqlDialect::Sqlite => return Err(self.unknown(at)),
                _ if is_word(character) => self.word(at)?,
                _ => self.sql.text.push(character),
            }
        }
        Ok(())
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.characters.next_if(|(_, character)| *character == wanted).is_some()
    }

    /// The end of the word that goes on here.
    fn end_of_word(&mut self) -> usize {
        while self.characters.next_if(|(_, character)| is_word(*character) || *character == '$').is_some() {}
        self.here()
    }

    fn here(&mut self) -> usize {
        self.characters.peek().map_or(self.source.len(), |(at, _)| *at)
    }

    fn text(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from..to).unwrap_or_default()
    }

    /// Passes over `-- …` and `/* … */`; PostgreSQL's may be nested.
    fn comment(&mut self, at: usize, character: char) -> Result<bool, SqlError> {
        let rest = self.text(at, self.source.len());
        if rest.starts_with("--") {
            while self.characters.next_if(|(_, character)| *character != '\n').is_some() {}
            return Ok(true);
        }
        if character != '/' || !self.next_is('*') {
            return Ok(false);
        }
        let mut depth = 1;
        while depth > 0 {
            match self.characters.next().ok_or(SqlError::Unended)?.1 {
                '*' if self.next_is('/') => depth -= 1,
                '/' if self.dialect == SqlDialect::Postgres && self.next_is('*') => depth += 1,
                _ => {}
            }
        }
        Ok(true)
    }

    /// To the quote that ends it, which is not doubled; after a backslash there is none where `escapes`.
    fn quoted(&mut self, at: usize, end: char, escapes: bool) -> Result<(), SqlError> {
        loop {
            let (_, character) = self.characters.next().ok_or(SqlError::Unended)?;
            if escapes && character == '\\' {
                self.characters.next();
            } else if character == end && (end == ']' || !self.next_is(end)) {
                break;
            }
        }
        let to = self.here();
        self.sql.text.push_str(self.text(at, to));
        Ok(())
    }

    /// `$$ … $$` and `$tag$ … $tag$`; false if it is none.
    fn dollar_quoted(&mut self, at: usize) -> Result<bool, SqlError> {
        let rest = self.text(at + 1, self.source.len());
        let Some((tag, _)) = rest.split_once('$') else { return Ok(false) };
        if !tag.chars().all(is_word) || tag.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(false);
        }
        let delimiter = self.text(at, at + tag.len() + 2);
        let body = at + delimiter.len();
        let length = self.text(body, self.source.len()).find(delimiter).ok_or(SqlError::Unended)?;
        let end = body + length + delimiter.len();
        while self.characters.next_if(|(at, _)| *at < end).is_some() {}
        self.sql.text.push_str(self.text(at, end));
        Ok(true)
    }

    fn variable(&mut self, at: usize) -> Result<(), SqlError> {
        let end = self.end_of_word();
        let written = self.text(at, end);
        let known = [SqlVariable::Resource, SqlVariable::Subject, SqlVariable::Issuer];
        let variable = known.into_iter().find(|variable| variable.as_str() == written);
        let variable = variable.ok_or_else(|| SqlError::UnknownVariable(written.to_owned()))?;
        let variables = &mut self.sql.variables;
        let index = variables.iter().position(|one| *one == variable).unwrap_or(variables.len());
        if index == variables.len() {
            variables.push(variable);
        }
        self.sql.text.push_str(&format!("${}", index + 1));
        Ok(())
    }

    fn unknown(&mut self, at: usize) -> SqlError {
        let end = self.end_of_word();
        SqlError::UnknownVariable(self.text(at, end).to_owned())
    }

    /// A keyword, a name or a number; or the `E` of PostgreSQL's literals with backslashes.
    fn word(&mut self, at: usize) -> Result<(), SqlError> {
        let end = self.end_of_word();
        let word = self.text(at, end);
        self.first_word.get_or_insert(word);
        self.sql.text.push_str(word);
        let escapes = self.dialect == SqlDialect::Postgres && word.eq_ignore_ascii_case("e");
        if escapes && self.next_is('\'') {
            return self.quoted(end, '\'', true);
        }
        Ok(())
    }
}

/// What words and the names of variables are made of.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || !character.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn read(text: &str, dialect: SqlDialect) -> (String, Vec<SqlVariable>) {
        let sql = OwnerSql::parse(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
        (sql.text().to_owned(), sql.variables().to_vec())
    }

    #[test]
    fn variables_become_parameters_in_the_order_in_which_they_come() {
        use SqlVariable::{Issuer, Resource, Subject};
        for dialect in [SqlDialect::Sqlite, SqlDialect::Postgres] {
            let (text, variables) = read("SELECT 1 FROM p WHERE owner = $subject AND id=$resource", dialect);
            assert_eq!(text, "SELECT 1 FROM p WHERE owner = $1 AND id=$2");
            assert_eq!(variables, [Subject, Resource]);
            let (text, variables) = read("select $resource,$resource, $issuer||$subject ;\n -- that is all", dialect);
            assert_eq!(text.trim_end(), "select $1,$1, $2||$3");
            assert_eq!(variables, [Resource, Issuer, Subject]);
        }
        let (text, _) = read("SELECT 1 WHERE $resource::uuid = a AND b = ($subject)::bigint", SqlDialect::Postgres);
        assert_eq!(text, "SELECT 1 WHERE $1::uuid = a AND b = ($2)::bigint");
    }

    #[test]
    fn what_is_quoted_or_a_comment_is_no_variable() {
        let tail = " AND $resource = $subject";
        for (dialect, quoted) in [
            (SqlDialect::Sqlite, "'$subject'"),
            (SqlDialect::Sqlite, "'it''s $x; '"),
            (SqlDialect::Sqlite, "\"$a\"\"$b\""),
            (SqlDialect::Sqlite, "`$a` = [$b;?]"),
            (SqlDialect::Sqlite, r"'\'"),
            (SqlDialect::Postgres, "'$subject'"),
            (SqlDialect::Postgres, r"'\'"),
            (SqlDialect::Postgres, r"E'\'$x;' = e'\\'"),
            (SqlDialect::Postgres, "$$ $x; ' $$ = $tag$ $$ $x $tag$"),
            (SqlDialect::Postgres, "a$b = data ? 'x' AND c @> '{}'"),
        ] {
            let text = format!("SELECT 1 WHERE {quoted}{tail}");
            assert_eq!(read(&text, dialect).0, format!("SELECT 1 WHERE {quoted} AND $1 = $2"));
        }
        let (text, _) = read("SELECT 1 -- $x ;\n WHERE/* $y; */$resource=$subject/**/;", SqlDialect::Sqlite);
        assert_eq!(text, "SELECT 1    WHERE $1=$2 ");
        assert_eq!(read("/* /* $x */ */SELECT $resource,$subject", SqlDialect::Postgres).0, " SELECT $1,$2");
    }

    #[track_caller]
    fn refuses(text: &str, dialect: SqlDialect, expected: &SqlError) {
        assert_eq!(OwnerSql::parse(text, dialect).as_ref(), Err(expected), "{text}");
    }

    #[test]
    fn what_is_not_one_select_with_both_variables_is_refused() {
        for dialect in [SqlDialect::Sqlite, SqlDialect::Postgres] {
            for text in ["", " -- SELECT", "DELETE FROM a WHERE b = $resource", "'SELECT'", "(SELECT"] {
                let error =
                    if text == "(SELECT" { SqlError::Without(SqlVariable::Resource) } else { SqlError::NoSelect };
                refuses(text, dialect, &error);
            }
            refuses("SELECT $resource, $subject; SELECT 1", dialect, &SqlError::SecondStatement);
            refuses("SELECT $resource, $subject;;", dialect, &SqlError::SecondStatement);
            refuses("SELECT $subject", dialect, &SqlError::Without(SqlVariable::Resource));
            refuses("SELECT $resource, '$subject'", dialect, &SqlError::Without(SqlVariable::Subject));
            for variable in ["$resources", "$1", "$", "$Resource", "$resource_id", "$resourceé"] {
                let error = SqlError::UnknownVariable(variable.to_owned());
                refuses(&format!("SELECT {variable} "), dialect, &error);
            }
            for text in ["SELECT '$resource", "SELECT \"a", "SELECT /* $resource", "SELECT 'a''"] {
                refuses(text, dialect, &SqlError::Unended);
            }
        }
        for variable in ["?", "?1", ":name", "@name"] {
            let error = SqlError::UnknownVariable(variable.to_owned());
            refuses(&format!("SELECT {variable} "), SqlDialect::Sqlite, &error);
        }
        refuses("SELECT /* /* */ $resource", SqlDialect::Postgres, &SqlError::Unended);
        refuses("SELECT $a$ $resource", SqlDialect::Postgres, &SqlError::Unended);
    }

    proptest! {
        #[test]
        fn it_never_panics_and_leaves_no_variable(text in "(SELECT )?([$'\"\\\\`;/*\\-\\[\\] e?:é]|\\$resource|\\$subject|\\$tag\\$){0,30}") {
            for dialect in [SqlDialect::Sqlite, SqlDialect::Postgres] {
                if let Ok(sql) = OwnerSql::parse(&text, dialect) {
                    prop_assert!(sql.variables().len() >= 2);
                    // What it gives has no variables left, so it cannot be read again, but for those that are quoted.
                    prop_assert!(OwnerSql::parse(sql.text(), dialect).is_err(), "{}", sql.text());
                }
            }
        }
    }
}
