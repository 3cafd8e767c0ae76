#include "orchestrator/out/web_signal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

CustomSignal signal(std::optional<double> limit = {}) {
    CustomSignal made;
    made.name = "load";
    made.url = "http://x";
    made.limit = limit;
    return made;
}

Fetched answer(int status, std::string body) {
    Fetched fetched;
    fetched.status = status;
    fetched.body = std::move(body);
    return fetched;
}

std::string told(Reading const& reading) {
    EXPECT_EQ(reading.subject, "load");
    EXPECT_NE(reading.value.has_value(), !reading.problem.empty());
    if (!reading.value) return reading.problem;
    auto text = std::to_string(*reading.value);
    return text.erase(text.find_last_not_of('0') + 1);
}

TEST(HttpReading, TheStatusAloneCountsWithoutALimit) {
    EXPECT_EQ(http_reading(signal(), answer(200, "anything")).signal, "http");
    for (int const status : {200, 204, 299}) EXPECT_EQ(told(http_reading(signal(), answer(status, "busy"))), "0.");
    for (int const status : {100, 301, 401, 404, 429, 500, 503})
        EXPECT_EQ(told(http_reading(signal(), answer(status, "0"))), "load answers " + std::to_string(status));
    Fetched none;
    none.problem = "http://x did not answer within 2 s";
    EXPECT_EQ(told(http_reading(signal(), none)), "http://x did not answer within 2 s");
}

TEST(HttpReading, WithALimitTheBodyIsTheNumber) {
    for (auto const& [body, expected] :
         {std::pair{"0.5", "0.5"}, std::pair{" 12\r\n", "12."}, std::pair{"-3", "-3."}, std::pair{"+1e2", "100."}})
        EXPECT_EQ(told(http_reading(signal(1), answer(200, body))), expected);
    for (std::string const body : {"", "ok", "1 2", "1,5", "0x10", "nan", "inf", "++1", "+-1", "1e999", "<html>\n<p>"})
        EXPECT_THAT(told(http_reading(signal(1), answer(200, body))), HasSubstr("and not with a number")) << body;
    EXPECT_EQ(told(http_reading(signal(1), answer(503, "0.5"))), "load answers 503");
    auto const hostile = told(http_reading(signal(1), answer(200, "a\x1b[2Jb\n" + std::string(5000, 'x'))));
    EXPECT_THAT(hostile, HasSubstr("\"a [2Jb xxx"));
    EXPECT_LT(hostile.size(), 200U);
    EXPECT_THAT(told(http_reading(signal(1), answer(200, "\xff\xfe"))), HasSubstr("bytes that are no text"));
}

TEST(PrometheusUrl, EncodesTheQuery) {
    EXPECT_EQ(prometheus_url("http://p:9090", "up"), "http://p:9090/api/v1/query?query=up");
    EXPECT_EQ(prometheus_url("http://p/prom/", "up"), "http://p/prom/api/v1/query?query=up");
    EXPECT_EQ(prometheus_url("http://p//", "max(a{b=\"ü c\"})&x=1#y"),
              "http://p/api/v1/query?query=max%28a%7Bb%3D%22%C3%BC%20c%22%7D%29%26x%3D1%23y");
    EXPECT_EQ(prometheus_url("http://p/?tenant=a#b", "up"), "http://p/api/v1/query?tenant=a&query=up");
}

std::string prometheus(std::string const& data, int status = 200) {
    return told(prometheus_reading(signal(1), answer(status, data)));
}
std::string result(std::string const& type, std::string const& list) {
    return prometheus(R"({"status":"success","data":{"resultType":")" + type + R"(","result":)" + list + "}}");
}
std::string vector(std::vector<std::string> const& values) {
    std::string list;
    for (auto const& value : values)
        list += (list.empty() ? "" : ",") + std::string{R"({"metric":{"a":"b"},"value":[1700000000.123,")"} + value +
                "\"]}";
    return result("vector", "[" + list + "]");
}

TEST(PrometheusReading, OneSampleIsTheValue) {
    EXPECT_EQ(prometheus_reading(signal(1), answer(200, "")).signal, "prometheus");
    EXPECT_EQ(vector({"0.5"}), "0.5");
    EXPECT_EQ(vector({"-7"}), "-7.");
    EXPECT_EQ(result("scalar", R"([1700000000,"12.25"])"), "12.25");
}

TEST(PrometheusReading, OfSeveralTheLargestCounts) {
    EXPECT_EQ(vector({"1", "3", "2"}), "3.");
    EXPECT_EQ(vector({"-1", "NaN", "-2"}), "-1.");
    EXPECT_EQ(vector({"1", "+Inf"}), "load yields +Inf");
    EXPECT_EQ(vector({"1", "-Inf"}), "1.");
}

TEST(PrometheusReading, WithoutASampleThereIsNoValue) {
    EXPECT_EQ(vector({}), "load yields nothing");
    EXPECT_EQ(vector({"NaN"}), "load yields NaN");
    EXPECT_EQ(vector({"-Inf"}), "load yields -Inf");
    EXPECT_EQ(vector({"1", "x"}), "load yields a series without a number");
    EXPECT_EQ(result("matrix", "[]"), "load yields a range of samples, and a number is needed");
    EXPECT_EQ(result("string", R"([1,"x"])"), "load yields a text, and a number is needed");
    EXPECT_EQ(result("scalar", R"([1])"), "load does not answer as Prometheus does");
    Fetched none;
    none.problem = "http://x: couldn't connect to server";
    EXPECT_EQ(told(prometheus_reading(signal(1), none)), "http://x: couldn't connect to server");
}

TEST(PrometheusReading, ErrorsAreTold) {
    EXPECT_EQ(prometheus(R"({"status":"error","errorType":"bad_data","error":"1:5: parse error"})", 400),
              "load is refused by Prometheus: \"1:5: parse error\"");
    EXPECT_EQ(prometheus("Service Unavailable", 503), "load answers 503");
    for (std::string const body :
         {"", "{", "[]", "null", "1", R"({"status":"success"})", R"({"status":"success","data":[]})",
          R"({"status":"success","data":{}})", R"({"status":"success","data":{"resultType":"vector","result":{}}})",
          R"({"status":"success","data":{"resultType":7,"result":[]}})", R"({"status":7})",
          R"({"status":"error","error":""})"})
        EXPECT_EQ(prometheus(body), "load does not answer as Prometheus does") << body;
    EXPECT_EQ(prometheus(std::string(100'000, '[')), "load does not answer as Prometheus does");
    EXPECT_EQ(result("vector", R"([7])"), "load yields a series without a number");
}

}  // namespace
}  // namespace weir
