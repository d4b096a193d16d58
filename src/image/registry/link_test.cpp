#include "image/registry/link.h"

#include <gtest/gtest.h>

namespace flense::image {
namespace {

std::string next(std::string_view link) {
  return next_part(link, "a/b").value_or("?");
}

TEST(Link, AsRegistriesAndTheStandardWriteIt) {
  EXPECT_EQ(next(""), "");
  EXPECT_EQ(next("</v2/a/b/tags/list?last=z&n=5>; rel=\"next\""), "tags/list?last=z&n=5");
  for (const char* link :
       {"<https://r.example/v2/a/b/tags/list?n=5>; rel=\"next\"",
        "</v2/a/b/tags/list?n=5>;rel=next", "</v2/a/b/tags/list?n=5>; REL=\"Next\"",
        "</v2/a/b/tags/list?n=5> ; title=\"a, b;\"; rel = next",
        "</v2/x>; rel=\"prev\", </v2/a/b/tags/list?n=5>; rel=\"next\"",
        "</v2/a/b/tags/list?n=5>; rel=\"next last\", </v2/x>; rel=first", "<?n=5>; rel=next",
        "<list?n=5>; rel=next", ", </v2/a/b/tags/list?n=5>; rel=next; rel=prev ,",
        "<http://internal:5000/prefix/v2/a/b/tags/list?n=5>; rel=next"})
    EXPECT_EQ(next(link), "tags/list?n=5") << link;
  EXPECT_EQ(next("</v2/a/b/tags/list?n=5>; rel=prev"), "");
  EXPECT_EQ(next("</v2/a/b/tags/list?n=5>; rel=prev; rel=next"), "");
}

TEST(Link, WhatIsNotUnderstoodIsNoEnd) {
  for (const char* link :
       {"?", "<", "<>; rel=next", "/v2/a/b/tags/list?n=5; rel=\"next\"", "</v2/a/b/tags/list?n=5>",
        "</v2/a/c/tags/list?n=5>; rel=\"next\"", "</v2/a/b/manifests/1>; rel=\"next\"",
        "rel=\"next\" <x", "</v2/a/b/tags/list?n=5>; rel=\"next",
        "<?n=5>; rel=next, <?n=6>; rel=next", "<?n=5>; rel=next junk", "<?n=\"\n>; rel=next",
        "<?a b>; rel=next"})
    EXPECT_EQ(next(link), "?") << link;
}

}  // namespace
}  // namespace flense::image
