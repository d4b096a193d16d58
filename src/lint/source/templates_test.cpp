#include "lint/source/templates.h"

#include <gtest/gtest.h>

namespace flense::lint {
namespace {

TEST(Templates, HelmKeepsItsPlaces) {
  const std::string text =
      "{{- if .Values.on }}\n"
      "apiVersion: v1\n"
      "spec:\n"
      "  image: {{ .Values.image }}\n"
      "  name: \"{{ .Release.Name }}-x\"\n"
      "  {{- if .Values.gpu }}\n"
      "  a: 1\n"
      "  {{- else }}\n"
      "  a: 2\n"
      "  {{- end }}\n"
      "  resources:\n"
      "    {{- toYaml .Values.resources | nindent 4 }}\n"
      "{{- end }}\n";
  const TemplateText out = strip_templates(text, false);
  EXPECT_EQ(out.language, "Helm");
  ASSERT_EQ(out.text.size(), text.size());
  EXPECT_EQ(out.text,
            "                    \n"
            "apiVersion: v1\n"
            "spec:\n"
            "  image: xxxxxxxxxxxxxxxxxxx\n"
            "  name: \"xxxxxxxxxxxxxxxxxxx-x\"\n"
            "                       \n"
            "  a: 1\n"
            "             \n"
            "      \n"
            "            \n"
            "  resources:\n"
            "                                               \n"
            "          \n");
  ASSERT_EQ(out.holes.size(), 2u);
  EXPECT_EQ(text.substr(out.holes[0].begin, out.holes[0].end - out.holes[0].begin),
            "{{ .Values.image }}");
}

TEST(Templates, Jinja) {
  const TemplateText out = strip_templates(
      "services:\n{% for n in names %}\n  a: {{ n }}\n{# note #}\n{% endfor %}\n", false);
  EXPECT_EQ(out.language, "Jinja");
  EXPECT_EQ(out.text, "services:\n                    \n  a: xxxxxxx\n          \n            \n");
}

TEST(Templates, AJinjaValueAlone) {
  EXPECT_EQ(strip_templates("image: {{ image }}\n", false).language, "Jinja");
  EXPECT_EQ(strip_templates("image: {{ .Image }}\n", false).language, "Helm");
  EXPECT_EQ(strip_templates("image: \"{{ image }}:{{ tag }}\"\n", true).language, "Jinja");
  EXPECT_EQ(strip_templates("image: \"{{ .Values.image }}\"\n", true).language, "Helm");
}

TEST(Templates, OthersBracesAreNoTemplate) {
  for (const std::string text :
       {"a: \"docker ps --format '{{.Names}}'\"\n", "{\"a\":{\"b\":{}}}\n",
        "run: echo ${{ github.ref }}\n", "a: '{{'\n\nb: '}}'\n", "a: \"{{.Node.Hostname}}\"\n",
        "a: |\n  {{ range .Alerts }}\n  x\n  {{ end }}\n",
        "a: docker inspect -f '{{range .X}}{{.Y}}{{end}}'\n",
        "a: \"{{ $labels.instance }} is down\"\n"}) {
    const TemplateText out = strip_templates(text, true);
    EXPECT_EQ(out.language, "") << text;
    EXPECT_EQ(out.text, text);
  }
}

TEST(Templates, ManyBracesTakeLinearTime) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "{{ ";
  EXPECT_EQ(strip_templates(text, false).text, text);
  EXPECT_EQ(strip_templates(text + "\n\n}}", false).language, "");
}

}  // namespace
}  // namespace flense::lint
