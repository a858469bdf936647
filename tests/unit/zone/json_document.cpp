// SPDX-License-Identifier: Apache-2.0
#include "zone/json_document.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <string>
#include <vector>

namespace json_document_test {

using hvisor::zone::ConfigText;
using hvisor::zone::JsonDocument;

namespace {

JsonDocument parse(const std::string& text) {
    auto document = JsonDocument::parse(ConfigText{"f", text});
    REQUIRE(document);
    return std::move(*document);
}

std::string refusal(const std::string& text) {
    const auto document = JsonDocument::parse(ConfigText{"f", text});
    REQUIRE_FALSE(document);
    return document.error().message;
}

} // namespace

TEST_CASE("every value knows its line and column") {
    const JsonDocument document = parse("{\n"
                                        "  \"a\": [1, -2.5e3 , \"x\"],\n"
                                        "\t\"b\" : { \"c\": true, \"d\": false,\"e\": null },\n"
                                        "  \"quo\\\"te\": \"a\\\\\\\"b\\\\\", \"f\": \"\",\n"
                                        "  \"\xc3\xa4\": \"\xc3\xb6\", \"g\":[[],{}]\n"
                                        "}");
    struct Case {
        const char* pointer;
        const char* place;
    };
    const Case test = GENERATE(
        Case{"", "f:1:1"}, Case{"/a", "f:2:8: /a"}, Case{"/a/0", "f:2:9: /a/0"}, Case{"/a/1", "f:2:12: /a/1"},
        Case{"/a/2", "f:2:21: /a/2"}, Case{"/b", "f:3:8: /b"}, Case{"/b/c", "f:3:15: /b/c"},
        Case{"/b/d", "f:3:26: /b/d"}, Case{"/b/e", "f:3:37: /b/e"}, Case{R"(/quo"te)", R"(f:4:14: /quo"te)"},
        Case{"/f", "f:4:31: /f"},
        // A column counts characters, not bytes.
        Case{"/\xc3\xa4", "f:5:8: /\xc3\xa4"}, Case{"/g/0", "f:5:18: /g/0"}, Case{"/g/1", "f:5:21: /g/1"},
        // Keys in any case, and the nearest value around what is not there.
        Case{"/B/C", "f:3:15: /B/C"}, Case{"/b/z", "f:3:8: /b/z"}, Case{"/a/3", "f:2:8: /a/3"},
        Case{"/a/x/y", "f:2:8: /a/x/y"}, Case{"/z", "f:1:1: /z"});
    CHECK(document.locate(test.pointer) == test.place);
}

TEST_CASE("keys that a JSON pointer has to escape are found") {
    const JsonDocument document = parse("{\"a/b\": {\"~\":\n 1}}");
    CHECK(document.locate("/a~1b/~0") == "f:2:2: /a~1b/~0");
}

TEST_CASE("comments, trailing commas and text behind the document are allowed") {
    const JsonDocument document =
        parse("// first \"line\"\n{ /* \" */ \"a\": /* x */ \"b\", // end\n \"c\": [1, 2,], } rest");
    CHECK(document.locate("/a") == "f:2:24: /a");
    CHECK(document.root().find("c")->value.elements.size() == 2);
}

TEST_CASE("the first of equal keys wins, in any case") {
    const JsonDocument document = parse(R"({"Name": 1, "name": 2})");
    CHECK(document.root().find("NAME")->value.text == "1");
    CHECK(document.root().find("nam") == nullptr);
}

TEST_CASE("numbers are kept as they are written") {
    const JsonDocument document = parse("[18446744073709551615, -0.5, 1e99]");
    CHECK(document.root().elements[0].text == "18446744073709551615");
    CHECK(document.root().elements[1].text == "-0.5");
    CHECK(document.root().elements[2].text == "1e99");
}

TEST_CASE("a text that is no configuration is refused with its place") {
    CHECK(refusal("") == "f:1:1: not valid JSON: the document is empty");
    CHECK(refusal("{\n \"a\": 1\n \"b\": 2}") ==
          "f:3:2: not valid JSON: missing a comma or '}' after an object member");
    CHECK(refusal(R"({"a": "x)") == "f:1:9: not valid JSON: missing a closing quotation mark in string");
    CHECK(
        refusal(R"({"a": nul})") ==
        "f:1:10: there is no value here; expected a string in double quotes, a number, true, false, null, an "
        "array or an object");
    CHECK(refusal("[\"\xff\"]") == "f:1:3: not valid JSON: invalid encoding in string");
    CHECK(refusal(R"(["a\u0000b"])") == R"(f:1:12: a string contains the character \u0000)");
    CHECK(refusal(R"({"a\u0000b": 1})") == R"(f:1:12: a string contains the character \u0000)");
    CHECK(refusal(std::string(100, '[')) ==
          "f:1:34: arrays and objects are nested too deep for a configuration");
    std::string values = "[";
    for (int i = 0; i < 4095; ++i) {
        values += "1,";
    }
    CHECK(JsonDocument::parse(ConfigText{"f", values + "]"}));
    CHECK(refusal(values + "1]") == "f:1:8192: there are more values than a configuration can have");
    CHECK(refusal(std::string((1024 * 1024) + 1, ' ')) ==
          "f: the file is 1048577 bytes large; a configuration has at most 1048576");
}

TEST_CASE("what people write instead of JSON is called by its name") {
    CHECK(refusal("{\"a\":\n 0x5000}") ==
          R"(f:2:3: JSON has no hexadecimal numbers; expected a string such as "0x1000")");
    CHECK(refusal("{ \"a\": \"text,\n \"b\": 1 }") ==
          "f:1:14: a string does not end on its line; expected a closing double quote");
    CHECK(refusal("{ \"a\": \"text,\r\n \"b\": 1 }").starts_with("f:1:14: a string does not end"));
    CHECK(refusal("{ 'a': 1 }").starts_with("f:1:3: not valid JSON: missing a name"));
    CHECK(refusal("\xff\xfe{\0}\0") == "f:1:1: this is UTF-16; save it as UTF-8");
    const std::string damaged("{ \"a\": 1,\n \0\0 }", 15);
    CHECK(refusal(damaged) ==
          "f:2:2: there is a NUL byte, so this is no text or a damaged one; write it anew");
    CHECK(refusal(std::string("{}\0", 3)).starts_with("f:1:3: there is a NUL byte"));

    // Places count from behind the mark, which editors do not show.
    const auto marked = JsonDocument::parse(ConfigText{"f", "\xef\xbb\xbf{ \"a\": 1 }"});
    REQUIRE(marked);
    CHECK(marked->locate("/a") == "f:1:8: /a");
}

TEST_CASE("no prefix of a text makes the parser read outside of it") {
    const std::string whole = R"(/* c */ {"a": [1, "x\"y", true, null], "b": {"c": -1.5e3,},})";
    for (std::size_t length = 0; length < whole.size(); ++length) {
        // A copy of exactly that size, so that the sanitizer sees what is read.
        const std::string part = whole.substr(0, length);
        CHECK_FALSE(JsonDocument::parse(ConfigText{"f", std::string(part.begin(), part.end())}));
    }
    CHECK(JsonDocument::parse(ConfigText{"f", whole}));
}

} // namespace json_document_test
