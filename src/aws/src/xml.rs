//! The little that is read from AWS's query protocol, which answers XML.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

/// A map that travels as `entry` elements with `key` and `value`.
pub(crate) fn entries(xml: &str) -> Result<BTreeMap<String, String>, String> {
    let document = parse(xml)?;
    Ok(document
        .descendants()
        .filter(|n| n.has_tag_name_of("entry"))
        .filter_map(|entry| {
            Some((
                text(entry, "key")?,
                text(entry, "value").unwrap_or_default(),
            ))
        })
        .collect())
}

/// The elements of the lists with this name: `<Topics><member>…`, each as its leaves by name; and
/// the token of the next page, under either of its two names.
pub(crate) fn members(xml: &str, list: &str) -> Result<(Vec<Leaves>, Option<String>), String> {
    let document = parse(xml)?;
    // A list inside of a member may have the same name as none; lists are found at any depth.
    let found = document
        .descendants()
        .filter(|n| {
            n.has_tag_name_of("member") && n.parent().is_some_and(|p| p.has_tag_name_of(list))
        })
        .map(leaves)
        .collect();
    let token = ["NextMarker", "NextToken"].iter().find_map(|name| {
        let node = document.descendants().find(|n| n.has_tag_name_of(name))?;
        Some(node.text()?.trim().to_owned())
    });
    Ok((found, token.filter(|t| !t.is_empty())))
}

/// The text of the first element of this name.
pub(crate) fn leaf(xml: &str, name: &str) -> Result<String, String> {
    let document = parse(xml)?;
    let found = document.descendants().find(|n| n.has_tag_name_of(name));
    let text = found.and_then(|n| n.text().map(str::to_owned));
    text.ok_or_else(|| format!("it lacks {name}"))
}

/// Texts by the name of their element; a name that occurs several times has several.
pub(crate) type Leaves = BTreeMap<String, Vec<String>>;

fn leaves(member: Node<'_, '_>) -> Leaves {
    let mut found = Leaves::new();
    for leaf in member.descendants().filter(|n| n.is_element()) {
        if leaf.children().any(|c| c.is_element()) {
            continue;
        }
        // A list's elements have no name of their own; their list's tells what they are.
        let named = match leaf.tag_name().name() {
            "member" => leaf.parent().map_or("member", |p| p.tag_name().name()),
            name => name,
        };
        let text = leaf.text().unwrap_or_default().to_owned();
        found.entry(named.to_owned()).or_default().push(text);
    }
    found
}

fn parse(xml: &str) -> Result<Document<'_>, String> {
    Document::parse(xml).map_err(|e| e.to_string())
}

fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let child = node.children().find(|n| n.has_tag_name_of(name))?;
    Some(child.text().unwrap_or_default().to_owned())
}

/// Names are compared without their namespace, which differs from service to service.
trait Named {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_their_leaves_and_the_next_page() {
        let xml = r#"<R xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
          <DescribeTargetGroupsResult><TargetGroups>
            <member><TargetGroupName>a</TargetGroupName>
              <LoadBalancerArns><member>x</member><member>y</member></LoadBalancerArns>
              <Matcher><HttpCode>200</HttpCode></Matcher></member>
            <member><TargetGroupName>b</TargetGroupName><LoadBalancerArns/></member>
          </TargetGroups><NextMarker>more</NextMarker></DescribeTargetGroupsResult></R>"#;
        let (found, next) = members(xml, "TargetGroups").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["LoadBalancerArns"], ["x", "y"]);
        assert_eq!(found[0]["HttpCode"], ["200"]);
        assert_eq!(found[1]["TargetGroupName"], ["b"]);
        assert_eq!(next.as_deref(), Some("more"));
        assert!(members("<not", "x").is_err());
    }
}
