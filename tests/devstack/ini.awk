# SPDX-License-Identifier: Apache-2.0
#
# What DevStack's functions for INI files do, in as few words as can be: a
# stand-in for inc/ini-config, for functions.sh. Like those, it keeps every
# line that it is not asked to change, makes a section at the end of the file,
# after an empty line, and puts an option right after its section's name.
#
# $VERB is get, set, set-all, add or delete; $SECTION and $OPTION say of what;
# $VALUES has a line for each value.

function put(   values, count, number) {
    count = split(ENVIRON["VALUES"], values, "\n")
    for (number = 1; number <= count; number++)
        print option " = " values[number]
}

BEGIN {
    verb = ENVIRON["VERB"]
    section = "[" ENVIRON["SECTION"] "]"
    option = ENVIRON["OPTION"]
}

# The first time, to see what is there.
NR == FNR {
    if (/^\[/) here = $0 == section
    if ($0 == section) has_section = 1
    if (here && $0 ~ "^" option "[ \t]*=") {
        has_option = 1
        value = $0
        sub(/^[^=]*=[ \t]*/, "", value)
        old = old value "\n"
    }
    next
}

# The second time, to change it.
FNR == 1 {
    here = 0
    putting = verb == "set-all" || verb == "add" ||
              (verb == "set" && !has_option)
    if (verb == "add") ENVIRON["VALUES"] = old ENVIRON["VALUES"]
}
/^\[/ { here = $0 == section }
here && $0 ~ "^" option "[ \t]*=" {
    if (verb == "set") put()
    if (verb != "get") next
}
verb != "get" { print }
verb != "get" && putting && $0 == section { put(); putting = 0 }

END {
    if (verb == "get") {
        gsub("\n", " ", old)
        print old
    } else if (!has_section && verb != "delete") {
        print "\n" section
        put()
    }
}
