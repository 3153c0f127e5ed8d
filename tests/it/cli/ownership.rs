//! `ownership`: who owns what, from files and back.

use super::support::{Ended, Folder, LISTEN};

const PLANTS: &str = "
[issuer.main]
issuer = \"https://main.example.com\"
secret = { env = \"PATH\", weak = true }
[issuer.other]
issuer = \"https://other.example.com\"
secret = { env = \"PATH\", weak = true }
[ownership.plant]
variable = \"plantUuid\"
table = {}
[ownership.claimed]
variable = \"id\"
claim = \"ids\"
[[route]]
match = \"GET /plants/{plantUuid}\"
owner = \"plant\"
[[route]]
match = \"GET /claimed/{id}\"
owner = \"claimed\"
";

fn folder() -> Folder {
    Folder::with(&format!("store = \"sqlite:state.db\"\n{PLANTS}{LISTEN}"))
}

fn import(folder: &Folder, csv: &str, more: &[&str]) -> Ended {
    folder.write("owners.csv", csv);
    folder.run(&[&["ownership", "import", "owners.csv"], more].concat())
}

fn list(folder: &Folder, more: &[&str]) -> String {
    let ended = folder.run(&[&["ownership", "list"], more].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

#[test]
fn owners_are_imported_once_listed_as_they_can_be_imported_and_forgotten() {
    let folder = folder();
    assert_eq!(list(&folder, &[]), "");
    assert!(!folder.names().contains(&"state.db".to_owned()), "to look at it does not make it");
    let csv = "resource,subject\n1,alice\n1,bob\n2,\"a, b\"\n";
    let ended = import(&folder, csv, &["--issuer", "main"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "3 imported, 0 already there, 0 bad\n"), "{ended:?}");
    let ended = import(&folder, &format!("{csv}3,carol\n"), &["--issuer", "main", "--ownership", "plant"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "1 imported, 3 already there, 0 bad\n"), "{ended:?}");

    let all = "ownership,resource,issuer,subject\nplant,1,main,alice\nplant,1,main,bob\nplant,2,main,\"a, b\"\n\
               plant,3,main,carol\n";
    assert_eq!(list(&folder, &[]), all);
    assert_eq!(list(&folder, &["--subject", "a, b"]).lines().last(), Some("plant,2,main,\"a, b\""));
    assert_eq!(list(&folder, &["--resource", "1"]).lines().count(), 3);
    let again = import(&folder, all, &[]);
    assert_eq!((again.code, again.stdout.as_str()), (0, "0 imported, 4 already there, 0 bad\n"), "{again:?}");

    let forget = |resource: &str| folder.run(&["ownership", "forget", resource]);
    assert_eq!((forget("1").stdout.as_str(), forget("1").code), ("2 forgotten\n", 1));
    assert_eq!(list(&folder, &[]).lines().count(), 3);
}

#[test]
fn bad_rows_are_told_by_their_line_and_left_out() {
    let folder = folder();
    let csv = "resource,subject,issuer\n1,alice,main\n2,,main\n3,bob,nobody\n4\n5,carol,other\n";
    let ended = import(&folder, csv, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "2 imported, 0 already there, 3 bad\n"), "{ended:?}");
    let told = "line 3: `subject` is empty\nline 4: the configuration has no issuer \"nobody\"\n\
                line 5: it has 1 fields, and the first line has 3\n";
    assert_eq!(ended.stderr, told);
    let many: String = (0..100).map(|_| "1\n").collect();
    let ended = import(&folder, &format!("resource,subject\n{many}"), &["--issuer", "main"]);
    assert!(ended.stderr.ends_with("and 80 more\n") && ended.stderr.lines().count() == 21, "{ended:?}");
}

#[test]
fn what_cannot_be_meant_imports_nothing() {
    let folder = folder();
    for (csv, more, told) in [
        ("resource,subject\n1,alice\n", &[][..], "say --issuer with one of: main, other"),
        ("resource,subject\n1,alice\n", &["--issuer", "nobody"], "say --issuer with one of: main, other"),
        ("resource,subject\n1,alice\n", &["--issuer", "main", "--ownership", "claimed"], "one of: plant"),
        ("1,alice\n", &["--issuer", "main"], "is no heading"),
        ("", &["--issuer", "main"], "no heading `resource`"),
    ] {
        let ended = import(&folder, csv, more);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
    let ended = folder.run(&["ownership", "import", "no.csv"]);
    assert!(ended.code == 1 && ended.stderr.contains("no.csv: No such file"), "{ended:?}");
    assert_eq!(folder.run(&["ownership", "forget", "1", "--ownership", "claimed"]).code, 2);
    assert!(!folder.names().contains(&"state.db".to_owned()));
    let without = Folder::with(&format!("preset = \"uptimehunt\"\n{LISTEN}"));
    let ended = import(&without, "resource,subject\n1,alice\n", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("nothing that --ownership could be"), "{ended:?}");
}

#[test]
fn what_comes_from_standard_input_is_imported_too() {
    let ended = folder().run_with_input(&["ownership", "import", "-", "--issuer", "other"], "subject,resource\na,1\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "1 imported, 0 already there, 0 bad\n"), "{ended:?}");
}
