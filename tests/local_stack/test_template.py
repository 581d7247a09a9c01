"""Parameters and intrinsic functions mean what they mean in CloudFormation."""

from __future__ import annotations

from typing import Any

import pytest

from local.template import Template, values_of


def template(resources: dict[str, Any] | None = None, given: dict[str, Any] | None = None, **document: Any) -> Template:
    """A template whose resources answer with their name and attribute."""
    parameters = {
        "Word": {"Type": "String", "Default": "yes"},
        "Many": {"Type": "CommaDelimitedList", "Default": "a,b"},
    }
    whole = {"Parameters": parameters, "Resources": resources or {}, **document}
    return Template(whole, given or {}, lambda name, attribute: f"{name}/{attribute}", stack_name="tried")


@pytest.mark.parametrize(
    ("declared", "value", "complaint"),
    [
        ({"Type": "String"}, None, "needs a value"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "must be one of a, b"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", r"must match \[a-z\]\+"),
        (
            {"Type": "String", "AllowedPattern": "[a-z]+", "ConstraintDescription": "must be small"},
            "A",
            "must be small",
        ),
        ({"Type": "String", "MinLength": 1}, "", "too short"),
        ({"Type": "String", "MaxLength": 3}, "long", "too long"),
        ({"Type": "Number"}, "many", "must be a number"),
        ({"Type": "Number", "MinValue": 2, "MaxValue": 9}, "1", "between 2 and 9"),
        ({"Type": "Number", "MinValue": 2, "MaxValue": 9}, "10", "between 2 and 9"),
    ],
)
def test_a_parameter_that_its_declaration_does_not_allow_is_refused(
    declared: dict[str, Any], value: str | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        values_of({"Name": declared}, {} if value is None else {"Name": value})


def test_a_parameter_nobody_declared_is_refused() -> None:
    with pytest.raises(ValueError, match="no parameter Other"):
        values_of({}, {"Other": "value"})


def test_a_refused_secret_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="Token") as raised:
        values_of({"Token": {"Type": "String", "NoEcho": True, "MaxLength": 3}}, {"Token": "hush-hush"})
    assert "hush" not in str(raised.value)


def test_what_a_rule_refuses_is_refused_with_its_own_words() -> None:
    assertion = {"Assert": {"Fn::Equals": [{"Ref": "Word"}, "yes"]}, "AssertDescription": "Word has to be yes."}
    rules = {"Rules": {"WordIsYes": {"Assertions": [assertion]}}}
    template(**rules)
    with pytest.raises(ValueError, match=r"Word has to be yes\."):
        template(given={"Word": "no"}, **rules)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"Ref": "Word"}, "yes"),
        ({"Ref": "Many"}, ["a", "b"]),
        ({"Ref": "AWS::StackName"}, "tried"),
        ({"Fn::GetAtt": ["Thing", "Arn"]}, "Thing/Arn"),
        ({"Fn::GetAtt": "Thing.Arn"}, "Thing/Arn"),
        ({"Fn::Sub": "${Word}-${Thing.Arn}-${AWS::Region}-${!Word}"}, "yes-Thing/Arn-eu-west-1-${Word}"),
        ({"Fn::Sub": ["${Own}", {"Own": {"Ref": "Word"}}]}, "yes"),
        ({"Fn::Join": ["-", {"Ref": "Many"}]}, "a-b"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::If": ["IsYes", "then", "else"]}, "then"),
        ({"Fn::If": ["IsNo", "then", "else"]}, "else"),
        ([{"Fn::If": ["IsNo", "then", {"Ref": "AWS::NoValue"}]}, "kept"], ["kept"]),
        ({"gone": {"Ref": "AWS::NoValue"}, "kept": 1}, {"kept": 1}),
    ],
)
def test_an_intrinsic_function_gives_what_cloudformation_gives(value: Any, wanted: Any) -> None:
    conditions = {"IsYes": {"Fn::Equals": [{"Ref": "Word"}, "yes"]}, "IsNo": {"Fn::Not": [{"Condition": "IsYes"}]}}
    assert template({"Thing": {"Type": "T"}}, Conditions=conditions).resolve(value) == wanted


def test_a_resource_whose_condition_does_not_hold_is_not_there() -> None:
    conditions = {
        "Never": {"Fn::And": [{"Fn::Equals": [1, 1]}, {"Fn::Equals": [1, 2]}]},
        "Always": {"Fn::Or": [{"Fn::Equals": [1, 1]}, {"Fn::Equals": [1, 2]}]},
    }
    resources = {"A": {"Type": "T", "Condition": "Never"}, "B": {"Type": "T", "Condition": "Always"}}
    assert template(resources, Conditions=conditions).kinds() == {"B": "T"}


@pytest.mark.parametrize("value", [{"Fn::FindInMap": ["a", "b", "c"]}, {"Fn::ImportValue": "a"}])
def test_a_function_unknown_here_is_named(value: Any) -> None:
    with pytest.raises(NotImplementedError, match=next(iter(value))):
        template().resolve(value)
