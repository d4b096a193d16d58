"""Dockerfiles from the grammar: every construct, valid and invalid, and combinations of them in many
layouts. The same seed gives the same files."""

import random

BASES = ["scratch", "debian:12", "local/base:1", "nvidia/cuda:12.8.1-base-ubuntu24.04"]
DIGEST = "sha256:" + "0123456789abcdef" * 4

# What both BuildKit of Debian's dockerd (20.10, no here-documents) and today's accept.
VALID = {
    "RUN": [
        "RUN true", "RUN echo hello   world", "RUN", 'RUN ["echo", "a b"]', "RUN []", 'RUN [ "sh" , "-c" , "x" ]',
        "RUN ['not json']", 'RUN ["unfinished', 'RUN echo "it\'s" $HOME ${HOME} $(date)', "RUN echo \\$X",
        "RUN --mount=type=cache,target=/root/.cache pip install x",
        "RUN --mount=type=cache,id=a,target=/c,sharing=locked,uid=1000,gid=0,mode=0755 true",
        "RUN --mount=type=bind,target=/src,rw true", "RUN --mount=target=/src true",
        "RUN --mount=type=bind,source=a,target=/src,readonly=true true", "RUN --mount=type=tmpfs,target=/tmp true",
        "RUN --mount=type=tmpfs,target=/tmp,size=64m true",
        "RUN --mount=type=secret,id=token,required true", "RUN --mount=type=secret,id=a,target=/x,mode=0400 true",
        "RUN --mount=type=ssh true", "RUN --mount=type=ssh,id=x,required=true true",
        "RUN --mount=type=cache,target=/a --mount=type=cache,target=/b true",
        "RUN --network=none true", "RUN --network=default true", "RUN -- echo x", "RUN --network=none -- echo x",
        'RUN --mount=type=cache,"target=/a" true', "RUN --mount='type=cache,target=/a b' true",
        "RUN --mount=type=cache,target=$HOME/x true", "RUN echo # no comment", "RUN a && b || c; d | e > f 2>&1",
        "RUN if [ -d x ]; then echo y; fi", "RUN for i in 1 2 3; do echo $i; done", "RUN cat <<<x",
        "RUN echo {{ .Id }}", "RUN docker inspect --format '{{.Id}}' x", "RUN X=1 cmd", "RUN echo ünïcödé",
    ],
    "CMD": ["CMD", "CMD []", "CMD x", 'CMD ["a"]', 'CMD ["a", "b c"]', 'CMD [ "a",\t"b" ]', "CMD [a]", "CMD $X",
            'CMD ["a"] trailing', 'CMD ["\\u0041\\n"]'],
    "ENTRYPOINT": ["ENTRYPOINT", "ENTRYPOINT []", "ENTRYPOINT x y", 'ENTRYPOINT ["/x"]', "ENTRYPOINT exec top -b"],
    "ENV": ["ENV A=b", "ENV A b", "ENV A b c  d", "ENV A=b C=d", 'ENV A="b c" D=\'e f\'', "ENV A=b\\ c", "ENV A=",
            'ENV A=""', "ENV A=$PATH:/x B=${A}", "ENV A=${B:-c} D=${E:+f}", "ENV A='$B'", "ENV A=\\$B", "ENV A==b",
            'ENV A "b c"', "ENV A=a=b", "ENV A.B-c=d", "ENV ${A}x=b", "ENV A=a#b", "ENV A a=b", "ENV A=é",
            "ENV A=${B:-${C:-d}}", "ENV A=$$ B=$1", 'ENV A="a\\"b"', "ENV A=b'c'd\"e\""],
    "ARG": ["ARG A", "ARG A=b", 'ARG A="b c"', "ARG A=", "ARG TARGETARCH", "ARG A=${B:-c}", "ARG A=$B", "ARG A='b'"],
    "LABEL": ["LABEL a=b", "LABEL a b", 'LABEL "a b"=c', 'LABEL a="b c" d=e', "LABEL a=$X", "LABEL org.x.y='z'",
              'LABEL a="multi word" b=c\\ d'],
    "COPY": ["COPY a b", "COPY a b /c/", 'COPY ["a b", "/c"]', "COPY --chown=1:1 a /b", "COPY --chown=user:group a /b",
             "COPY --chmod=755 a /b", "COPY --chmod=0644 a /b", "COPY $A /b", "COPY a* /b/", "COPY . .", "COPY a\\ b /c",
             'COPY "a b" /c', "COPY --from=debian:12 /a /b", "COPY --from=nvidia/cuda:12.8.1-base-ubuntu24.04 /a /b",
             "COPY [a, b]", "COPY a ${B:-/c}"],
    "ADD": ["ADD a b", "ADD http://example.com/x /y", "ADD https://example.com/a.tar.gz /", 'ADD ["a", "/b"]',
            "ADD --chown=1 a /b", "ADD --chmod=600 a /b", "ADD a.tar.gz b c/"],
    "WORKDIR": ["WORKDIR /a", "WORKDIR a b", "WORKDIR $HOME/x", 'WORKDIR "/a b"', "WORKDIR .", "WORKDIR /a\\ b",
                "WORKDIR ${A:-/x}"],
    "USER": ["USER root", "USER 1000:1000", "USER $A", "USER a b", "USER ${A:-nobody}"],
    "EXPOSE": ["EXPOSE 80", "EXPOSE 80/tcp 53/udp", "EXPOSE 8000-8010", "EXPOSE ${A:-80}", "EXPOSE 80 443/TCP",
               "EXPOSE 127.0.0.1:80:80", "EXPOSE 80:80", "EXPOSE 0", "EXPOSE 1/sctp", "EXPOSE 65535"],
    "VOLUME": ["VOLUME /a", 'VOLUME ["/a", "/b c"]', "VOLUME /a /b", "VOLUME ${A:-/x}", "VOLUME a"],
    "STOPSIGNAL": ["STOPSIGNAL SIGTERM", "STOPSIGNAL 9", "STOPSIGNAL term", "STOPSIGNAL RTMIN+3",
                   "STOPSIGNAL ${A:-INT}", "STOPSIGNAL SIGRTMAX-1"],
    "HEALTHCHECK": ["HEALTHCHECK NONE", "HEALTHCHECK CMD x", 'HEALTHCHECK CMD ["x", "y"]', "HEALTHCHECK none",
                    "HEALTHCHECK --interval=30s --timeout=1m30s --start-period=500ms --retries=3 CMD curl -f x || exit 1",
                    "HEALTHCHECK --interval=0 CMD x", "HEALTHCHECK --retries=0 CMD x", "HEALTHCHECK cmd x",
                    "HEALTHCHECK --interval= CMD x", "HEALTHCHECK --interval=1.5h CMD x", "HEALTHCHECK CMD [x]"],
    "SHELL": ['SHELL ["/bin/bash", "-c"]', 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]', 'SHELL [ "powershell" ]'],
    "ONBUILD": ["ONBUILD RUN x", "ONBUILD COPY a b", 'ONBUILD CMD ["x"]', "ONBUILD ENV A=b", "ONBUILD USER x",
                "ONBUILD FOO bar", "ONBUILD COPY a", "ONBUILD RUN --foo x", "ONBUILD EXPOSE 80"],
    "MAINTAINER": ["MAINTAINER someone <a@b>", "MAINTAINER x"],
}

# Refused by both.
INVALID = {
    "unknown": ["FOO bar", "RUNN x", "echo hello", "&& y", "RUN: x", "FR0M scratch", "{% if x %}", "COPPY a b", "=x"],
    "RUN": ["RUN --foo x", "RUN --mount x", "RUN --mount=type=foo,target=/x true", "RUN --mount=foo true",
            "RUN --mount=type=cache,target=/x,foo=bar true", "RUN --network=foo true",
            "RUN --mount=type=cache,target=/x,sharing=foo true", 'RUN ["a", 1]', "RUN [1]", 'RUN ["a", ["b"]]',
            "RUN --network true", "RUN --network=none --network=none true", "RUN [null]", "RUN [true]",
            "RUN --mount=type=bind,target=/x,uid=1 true", "RUN --mount=type=cache,target=/x,mode=9 true",
            "RUN --mount=type=cache,target=/x,required true", "RUN --mount=type=secret true",
            "RUN --mount=type=bind,target=/x,sharing=locked true", "RUN --mount= true",
            "RUN --mount=type=secret,id=a,from=b true", "RUN --mount=type=bind,target=/x,ro=maybe true",
            "RUN --mount=type=secret,id=a,source=b true", "RUN --mount=type=bind,target=/ true",
            "RUN --mount=type=cache,target=/x,from=$X true"],
    "CMD": ["CMD --foo x", 'CMD ["a", 1]', "CMD [{}]"],
    "ENTRYPOINT": ["ENTRYPOINT --foo", 'ENTRYPOINT ["a", null]'],
    "ENV": ["ENV", "ENV A", "ENV A=b C", "ENV =b", "ENV A=b =c", 'ENV A="b', "ENV A='b", "ENV A=${B", "ENV A=${}",
            "ENV --foo A=b", "ENV A=${B:}", "ENV A=${B:x}", "ENV A=${:-x}", "ENV A=${B!x}", 'ENV A="${B"'],
    "ARG": ["ARG", "ARG =b", 'ARG A="b', "ARG A=${B"],
    "LABEL": ["LABEL", "LABEL a", "LABEL a=b c", "LABEL =b", 'LABEL a="b', "LABEL --x a=b"],
    "COPY": ["COPY", "COPY a", "COPY --foo a b", "COPY --from a b", 'COPY ["a"]', "COPY []", 'COPY ["a", 1]',
             "COPY --chown=1 --chown=2 a b", "COPY http://x/y /z", "COPY --from=99 a b", "COPY --from=Bad:Ref:x a b",
             'COPY "a b', "COPY a ${B", "COPY --chmod=999 a /b"],
    "ADD": ["ADD", "ADD a", "ADD --foo a b", "ADD --from=x a b", 'ADD ["a"]'],
    "WORKDIR": ["WORKDIR", "WORKDIR --x /a", "WORKDIR ${A", 'WORKDIR "a'],
    "USER": ["USER", "USER --x a", "USER ${A"],
    "EXPOSE": ["EXPOSE", "EXPOSE x", "EXPOSE 80/foo", "EXPOSE 70000", "EXPOSE 90-80", "EXPOSE --x 80", "EXPOSE -1",
               "EXPOSE 80/", "EXPOSE ${A", "EXPOSE 80,443"],
    "VOLUME": ["VOLUME", "VOLUME []", 'VOLUME [""]', "VOLUME --x /a", 'VOLUME ["/a", 1]', "VOLUME ${A"],
    "STOPSIGNAL": ["STOPSIGNAL", "STOPSIGNAL FOO", "STOPSIGNAL 0", "STOPSIGNAL SIGRTMIN+16"],
    "HEALTHCHECK": ["HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK x y", "HEALTHCHECK --foo CMD x",
                    "HEALTHCHECK --interval=x CMD y", "HEALTHCHECK --interval=10 CMD y", "HEALTHCHECK CMD []",
                    "HEALTHCHECK --retries=x CMD y", "HEALTHCHECK --interval=-1s CMD y", 'HEALTHCHECK CMD ["a", 1]',
                    "HEALTHCHECK --interval=1us CMD y", "HEALTHCHECK --timeout CMD y"],
    "SHELL": ["SHELL", "SHELL []", "SHELL bash -c", 'SHELL ["a", 1]', 'SHELL --x ["a"]'],
    "ONBUILD": ["ONBUILD", "ONBUILD ONBUILD RUN x", "ONBUILD FROM x", "ONBUILD MAINTAINER x", "ONBUILD --x RUN y",
                "ONBUILD ENV A", 'ONBUILD CMD ["a", 1]'],
    "MAINTAINER": ["MAINTAINER", "MAINTAINER --x y"],
    "FROM": ["FROM", "FROM a b", "FROM a b c d", "FROM scratch AS", "FROM scratch AS 1a", "FROM scratch AS a/b",
             "FROM scratch IS a", "FROM --foo=x scratch", "FROM --platform=a/b/c/d scratch", "FROM Upper/Case",
             "FROM a:b:c", "FROM $EMPTY", "FROM ${X", "FROM scratch AS a b", "FROM --platform scratch",
             "FROM a@sha256:123", "FROM -x", "FROM a/:b", "FROM 'scratch", "FROM --platform=!! scratch",
             "FROM --platform=foo scratch"],
}

# Only today's BuildKit knows these.
MODERN_VALID = [
    "RUN <<EOF\necho a\nEOF", "RUN <<-EOF\n\techo a\n\tEOF", "RUN <<'EOF'\necho $A\nEOF", 'RUN <<"EOF" bash\necho\nEOF',
    "RUN <<EOF bash -e\nx\nEOF", "RUN python3 <<EOF\nprint(1)\nEOF", "RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF",
    "RUN cat <<A && cat <<B\na\nA\nb\nB", "RUN 3<<EOF cat <&3\nx\nEOF", "COPY <<EOF /x\na\nEOF",
    "COPY <<A <<B /x/\na\nA\nb\nB", "COPY --chmod=755 <<'EOF' /x\n$A ${\nEOF", "ADD <<EOF /x\na\nEOF",
    "RUN --mount=type=cache,target=/a <<EOF\nx\nEOF", "RUN \\\n  <<EOF\nx\nEOF", "RUN a && \\\n  cat <<EOF > /x\ny\nEOF",
    "RUN <<EOF\n# comment\n\nFROM x\nEOF", "RUN << EOF\nx\nEOF", "RUN cat<<EOF", "RUN echo $((1<<2))",
    "RUN echo 'a <<EOF b'", "RUN it's <<EOF", "ONBUILD RUN <<EOF\nx\nEOF", "RUN <<EOF\nEOF", "RUN <<E\\OF\nx\nEOF",
    "RUN <<\\EOF\nx\nEOF", 'RUN ["cat", "<<EOF"]', "CMD cat <<EOF", "COPY --link a /b", "COPY --link=false a /b",
    "COPY --parents a/b /c", "COPY --exclude=*.md --exclude=*.txt . /c", "ADD --keep-git-dir=true a /b",
    "ADD --checksum=sha256:" + "0" * 64 + " https://example.com/x /y", "ADD --link a /b", "ADD --unpack=true a /b",
    "RUN --security=sandbox true", "RUN --security=insecure true", "RUN --device=nvidia.com/gpu=all true",
    "RUN --device=name=a/b=c,required true", "HEALTHCHECK --start-interval=5s CMD x", "COPY --chmod=u=rwX,go=rX a /b",
    "ARG A B=c D", "ENV A=${B#x} C=${D%%y*} E=${F/x/y}", "ENV A=${B-c} D=${E+f}",
    "ENV A=${B//x/y} C=${D##*/}", "COPY --chown=1000:1000 --link a /b", "COPY <<'E F' /x\na\nE F",
    "RUN --mount=type=secret,id=a,env=TOKEN true", "RUN --mount=type=secret,id=a,env=A,target=/x true",
    "RUN --mount=type=${T:-cache},target=/x true", "ENV T=cache\nRUN --mount=type=$T,target=/x true", "COPY a b c <<EOF /x/\ny\nEOF", "RUN a <<A b <<-B c\n1\nA\n\tB",
]
MODERN_INVALID = [
    "RUN <<EOF\necho a", "COPY a <<EOF\nx\nEOF", "COPY <<EOF\nx\nEOF", "COPY --link=maybe a /b", "COPY --link= a /b",
    "COPY --exclude a /b", "RUN --security=foo true", "ADD --keep-git-dir=x a /b", "ADD --checksum=sha256:0 a /b",
    "COPY --chmod=a=b a /b", "COPY --chown=user --link a /b", "RUN <<EOF\nx\n EOF", "COPY --from=$X a /b",
    "COPY <<EOF /x\n${\nEOF", "RUN --device=a,b true", "COPY --parents=1 a /b", "ENV A=${B#\\x}", "ADD --parents a /b",
    "COPY --keep-git-dir a /b", "RUN <<A <<B\n1\nB\n2\nA", "HEALTHCHECK --start-interval=x CMD y",
    "COPY --from=a${X}b a /b", "ENV A=${B:#x}", "COPY --checksum=x a /b",
    "RUN --mount=type=cache,target=/x,size=1 true",
]

DIRECTIVES_VALID = ["# escape=\\", "#escape = `", "# Escape=`", "# check=skip=all", "# check=error=true;skip=A,B",
                    "# comment\n# escape=x", "# foo=bar\n# escape=x", "\n# escape=x", "# check=skip=all\n# escape=`"]
DIRECTIVES_INVALID = ["# escape=x", "# escape=\\\n# escape=`", "# escape=``", "# check=foo", "# check=foo=bar",
                      "# check=error=maybe"]

WHOLE_VALID = [
    "FROM scratch", "ARG A=debian:12\nFROM ${A}", "ARG A=12\nFROM debian:$A", "FROM scratch AS a\nFROM a",
    "FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /y", "FROM scratch\nFROM scratch\nCOPY --from=0 /x /y",
    "FROM scratch as A\nFROM a AS b\nCOPY --from=A /x /y", "FROM scratch AS a\nFROM scratch AS a\nFROM a",
    "FROM scratch AS a\nFROM debian:12\nRUN --mount=type=bind,from=a,target=/x true",
    "FROM debian:12\nRUN --mount=type=bind,from=debian:12,target=/x true", "from scratch\nrun x", "fRoM scratch",
    "FROM --platform=linux/amd64 debian:12", "ARG P=linux/arm64\nFROM --platform=$P scratch",
    "FROM --platform=$BUILDPLATFORM debian:12", "FROM debian@" + DIGEST, "FROM debian:12@" + DIGEST,
    "FROM localhost:5000/a/b:c", 'FROM "debian:12"', "ARG A\nARG B=x\nFROM debian:12", "ARG A=1\nARG B=$A\nFROM debian:1$B",
    "\ufeffFROM scratch", "FROM scratch\r\nRUN x\r\n", "FROM scratch\nENV A=b \\\r\n  C=d\r\n", "FROM scratch\n",
    "   FROM scratch\n\tRUN x", "FROM scratch\nRUN a \\\n# c\n\n  b", "FROM scratch\nRUN a \\", "FROM scratch\nRUN a \\  \n b",
    "FROM scratch\nRUN a \\\\\nRUN b", "FROM\\\n scratch", "FROM \\\n scratch \\\n AS \\\n a", "FR\\\nOM scratch",
    "FROM scratch AS a.b-c_d", "FROM scratch AS scratch", "FROM scratch\n#comment\n  # another\nRUN x # not one",
    "# escape=`\nFROM scratch\nRUN a `\n b\nCOPY a\\b c", "#!/usr/bin/env docker\nFROM scratch", "FROM scratch\n\\\nRUN x",
    "FROM scratch\nRUN x\n\\", "FROM scratch\n    \\\n    RUN x", "FROM scratch AS b\nONBUILD ENV A=b\nFROM b",
    "FROM a0b1.c-d__e/f:G", "FROM gcr.io/a/b", "FROM scratch\nRUN \\\n\\\n\\\na",
    "FROM scratch\nENV B=c\nENV A=${B?x}\nVOLUME $B\n",
]
WHOLE_INVALID = [
    "", "\n\n", "# only a comment", "RUN x", "ARG A", "ENV A=b\nFROM scratch", "ARG A\nRUN x\nFROM scratch",
    "FROM scratch\nCOPY --from=0 a b", "FROM scratch\nCOPY --from=1 a b",
    "FROM scratch AS a\nCOPY --from=a x y", "FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b",
    "FROM scratch AS a\nFROM scratch AS b\nCOPY --from=2 x y", "FROM debian:12 AS a\nRUN --mount=type=bind,from=a,target=/x true",
    "FROM scratch\nRUN a \\\nFOO\nBAR x", "FROM scratch\n\\\n", "FROM scratch AS b\nONBUILD FOO\nFROM b",
    "FROM scratch\nx\\\ny", "ARG A=\nFROM $A", "FROM ${A:-}", "FROM scratch\nCOPY --from=Upper a b", "FROM UPPER",
    "FROM a//b", "FROM -a", "FROM a:", "FROM a@b", "FROM scratch AS a:b", "FROM \\", "FROM scratch\n<<EOF\nx\nEOF",
    "FROM scratch AS b\nONBUILD COPY a\nFROM b", "FROM scratch\nVOLUME $A", "FROM scratch\nENV A=${B?x}",
    "FROM scratch\nENV T=x\nRUN --mount=type=$T,target=/x true",
]


def layout(rng, line):
    """Another way to write the same instruction."""
    if "\n" in line or rng.random() < 0.5:
        return line
    way = rng.randrange(7)
    words = line.split(" ")
    if way == 0:
        return " " * rng.randint(1, 4) + line
    if way == 1:
        return line + " " * rng.randint(1, 3)
    if way == 2:
        return words[0].lower() + line[len(words[0]):]
    if way == 3 and len(words) > 1:
        return words[0] + rng.choice(["  ", "\t", " \t "]) + line[len(words[0]) + 1:]
    if way >= 4 and len(words) > 1:
        at = rng.randint(1, len(words) - 1)
        between = rng.choice(["", "# a comment\n", "  # another 'one\n", "\n", "\n# and\n\n"])
        return " ".join(words[:at]) + " \\" + rng.choice(["", " ", "\t"]) + "\n" + between + rng.choice(["", "  ", "\t"]) + " ".join(words[at:])
    return words[0].capitalize() + line[len(words[0]):]


def body(rng, modern, length):
    lines = []
    for _ in range(length):
        pool = VALID[rng.choice(list(VALID))]
        if modern and rng.random() < 0.3:
            pool = MODERN_VALID
        lines.append(layout(rng, rng.choice(pool)))
        if rng.random() < 0.15:
            lines.append(rng.choice(["", "# a comment", "   # indented", "\t"]))
    return lines


def stages(rng, modern):
    lines = []
    if rng.random() < 0.3:
        lines += [rng.choice(["ARG TAG=12", "ARG TAG=12 ", "arg TAG=12"])]
    names = []
    for number in range(rng.randint(1, 3)):
        base = rng.choice(BASES + names + (["debian:${TAG:-12}"] if lines else []))
        name = rng.choice([None, f"s{number}", f"Stage.{number}"])
        lines.append(layout(rng, f"FROM {base}" + (f" {rng.choice(['AS', 'as'])} {name}" if name else "")))
        lines += body(rng, modern, rng.randint(0, 8))
        if number and rng.random() < 0.5:
            lines.append(f"COPY --from={rng.choice(names + [str(rng.randrange(number))])} /a /b")
        if name:
            names.append(name.lower())
    return lines


def written(rng, lines):
    text = "\n".join(lines)
    if rng.random() < 0.8:
        text += "\n"
    # BuildKit ends a here-document at a line without its '\r' alone: the same for both.
    if rng.random() < 0.1:
        text = text.replace("\n", "\r\n")
    if rng.random() < 0.05:
        text = "\ufeff" + text
    return text


def mutated(rng, text):
    """A few characters more, less or others: what nobody writes on purpose."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        way = rng.randrange(3)
        other = rng.choice(" \t\\\"'${}<>=-#[],\nEOFabc012/:@|&;`é")
        if way == 0:
            text = text[:at] + other + text[at:]
        elif way == 1:
            text = text[:at] + text[at + rng.randint(1, 3):]
        else:
            text = text[:at] + other + text[at + 1:]
    return text


def dockerfiles(count, modern=True, seed=1, mutations=0.25):
    """Different texts; the first ones hold each construct alone."""
    rng = random.Random(seed)
    out = list(WHOLE_VALID) + list(WHOLE_INVALID)
    singles = [line for lines in (*VALID.values(), *INVALID.values()) for line in lines]
    if modern:
        singles += MODERN_VALID + MODERN_INVALID
    for line in singles:
        out.append((line if line.startswith("FROM") else "FROM debian:12\n" + line) + "\n")
    for directive in DIRECTIVES_VALID + DIRECTIVES_INVALID:
        if modern or "check" not in directive:
            out.append(directive + "\nFROM scratch\nRUN true\n")
    broken = [line for lines in INVALID.values() for line in lines] + (MODERN_INVALID if modern else [])
    seen = set(out)
    while len(out) < count:
        lines = stages(rng, modern)
        if rng.random() < 0.35:
            lines.insert(rng.randint(1, len(lines)), layout(rng, rng.choice(broken)))
        if rng.random() < 0.08:
            lines.insert(0, rng.choice(["# escape=\\", "# Escape = \\"]))
        text = written(rng, lines)
        if rng.random() < mutations:
            text = mutated(rng, text)
        if text not in seen:
            seen.add(text)
            out.append(text)
    return out[:count]
