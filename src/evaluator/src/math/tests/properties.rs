//! What holds for every expression.

use super::*;

fn node(node: Node) -> Expr {
    Expr { node, column: 1 }
}

/// Trees that the grammar can write; most of them make no sense to the types.
fn trees() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (0u32..1_000_000).prop_map(|n| Node::Number(f64::from(n) / 128.0)),
        (0.0..f64::MAX).prop_map(Node::Number),
        "[a-z][a-zA-Z0-9_]{0,4}".prop_map(Node::Id),
        "[ -!#-~]{0,5}".prop_map(Node::Text),
        prop::sample::select(vec![
            Word::Repeat,
            Word::Linear,
            Word::Asc,
            Word::Desc,
            Word::By(Function::Avg),
        ])
        .prop_map(Node::Word),
    ]
    .prop_map(node);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let operators = prop::sample::select(vec![
            Operator::Or,
            Operator::And,
            Operator::Equal,
            Operator::NotEqual,
            Operator::Less,
            Operator::Greater,
            Operator::LessOrEqual,
            Operator::GreaterOrEqual,
            Operator::Add,
            Operator::Subtract,
            Operator::Multiply,
            Operator::Divide,
            Operator::Power,
        ]);
        prop_oneof![
            4 => (operators, inner.clone(), inner.clone())
                .prop_map(|(o, a, b)| Node::Binary(o, a.into(), b.into())),
            2 => inner.clone().prop_map(|of| Node::Negate(of.into())),
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::Array),
            2 => (prop::sample::select(Function::ALL.to_vec()), prop::collection::vec(inner, 4))
                .prop_map(|(function, mut arguments)| {
                    let (least, most) = function.arity();
                    arguments.truncate(most.min(least + 1));
                    Node::Call(function, arguments)
                }),
        ]
        .prop_map(node)
    })
}

/// Expressions that evaluate, over three metrics.
fn sound() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["m1", "m2", "m3", "2", "0.5"]).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["+", "-", "*", "/", ">", "==", "AND", "OR"]),
                inner.clone()
            )
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(c, t, f)| format!("IF({c} + m1, {t}, {f})")),
            (
                prop::sample::select(vec!["DIFF", "RATE", "RUNNING_SUM", "ABS"]),
                inner.clone()
            )
                .prop_map(|(f, of)| format!("{f}({of} + m1)")),
            (
                prop::sample::select(vec!["SUM", "AVG", "MAX"]),
                inner.clone()
            )
                .prop_map(|(f, of)| format!("{f}([m2, {of} - m1])")),
            (prop::sample::select(vec!["REPEAT", "LINEAR", "1"]), inner)
                .prop_map(|(with, of)| format!("FILL({of} * m3, {with})")),
        ]
    })
}

fn series(len: usize) -> impl Strategy<Value = Vec<f64>> {
    let point = prop_oneof![
        1 => Just(f64::NAN),
        3 => (-20i32..20).prop_map(f64::from),
    ];
    prop::collection::vec(point, len)
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(tree in trees()) {
        let text = tree.to_string();
        prop_assume!(text.chars().count() <= LONGEST);
        let read = parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&tree), "{}", text);
    }

    #[test]
    fn shifting_time_shifts_the_result(
        text in sound(),
        metrics in prop::collection::vec(series(8), 3),
        by in 1usize..6,
    ) {
        let entries = [metric("m1"), metric("m2"), metric("m3"), expression("out", &format!("m1 * 0 + {text}"))];
        let program = Program::compile(&entries, "out").unwrap();
        let run = |metrics: &[Vec<f64>], grid: Grid| {
            let series: Vec<&[f64]> = metrics.iter().map(Vec::as_slice).collect();
            let settings = Settings::default();
            let inputs = Inputs { grid, series: &series, bands: &[], settings };
            program.evaluate(&inputs).list()[0].to_vec()
        };
        // Other stamps, same points.
        let later = Grid { start: grid(8).at(by), ..grid(8) };
        let plain = run(&metrics, grid(8));
        prop_assert_eq!(written(&run(&metrics, later)), written(&plain));
        // Missing points in front of all move the result by as many, unless a number is filled in.
        prop_assume!(!text.contains(", 1)"));
        let shifted: Vec<Vec<f64>> = metrics
            .iter()
            .map(|s| std::iter::repeat_n(f64::NAN, by).chain(s.iter().copied()).collect())
            .collect();
        let moved = run(&shifted, grid(8 + by));
        prop_assert_eq!(written(&moved[by..]), written(&plain));
    }

    #[test]
    fn a_window_of_a_pointwise_program_is_cut_out_of_its_history(
        text in sound(),
        metrics in prop::collection::vec(series(9), 3),
        from in 0usize..5,
    ) {
        let entries = [metric("m1"), metric("m2"), metric("m3"), expression("out", &format!("m1 * 0 + {text}"))];
        let program = Program::compile(&entries, "out").unwrap();
        prop_assume!(program.is_pointwise());
        let run = |from: usize, to: usize| {
            let series: Vec<&[f64]> = metrics.iter().map(|s| &s[from..to]).collect();
            let grid = Grid { start: grid(9).at(from), len: to - from, ..grid(9) };
            let settings = Settings::default();
            let inputs = Inputs { grid, series: &series, bands: &[], settings };
            program.evaluate(&inputs).list()[0].to_vec()
        };
        prop_assert_eq!(written(&run(from, from + 4)), written(&run(0, 9)[from..from + 4]));
    }

    #[test]
    fn a_sum_of_an_array_is_the_sum_of_its_series(metrics in prop::collection::vec(series(6), 3)) {
        let entries = [metric("m1"), metric("m2"), metric("m3"), expression("a", "SUM(METRICS())"), expression("b", "m1 + m2 + m3")];
        let series: Vec<&[f64]> = metrics.iter().map(Vec::as_slice).collect();
        let run = |watch: &str| {
            let settings = Settings::default();
            let inputs = Inputs { grid: grid(6), series: &series, bands: &[], settings };
            let value = Program::compile(&entries, watch).unwrap().evaluate(&inputs);
            written(&value.list()[0])
        };
        prop_assert_eq!(run("a"), run("b"));
    }
}
