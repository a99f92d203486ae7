# Nightshift. `make help` lists the targets; every setting of the server can be given through the environment:
#   NIGHTSHIFT_MODEL=folder QUARKUS_HTTP_PORT=9000 make serve
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first JDK 25 of JAVA_HOME, PATH and the usual folders; `jdk` below says what to install where there is none.
JDK := $(shell .mvn/find-jdk 2>/dev/null)
export JAVA_HOME := $(JDK)
JAVA := $(JDK)/bin/java
MVN := ./mvnw -B -ntp
# Extra arguments for Maven (MVN_ARGS=-o) and, for serve, the JVM (JAVA_OPTS=-Xmx4g).
MVN_ARGS ?=
JAVA_OPTS ?=

APP := target/quarkus-app/quarkus-run.jar
# What the JVM starts faster from; missing or of another JVM, it is ignored.
AOT := target/quarkus-app/app.aot
# Folders are in the list because deleting a file changes its folder alone.
SOURCES := pom.xml $(shell find proto src/main)
TEST_CLASSPATH := target/test.classpath

.PHONY: help jdk serve package test test-slow test-browser test-gpu clients format bench loadtest clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

jdk:
	@[ -n "$(JDK)" ] || .mvn/find-jdk

serve: $(APP) ## build if anything changed, then serve on port 8080
	@exec $(JAVA) @deploy/jvm.options -XX:AOTCache=$(AOT) -Xlog:aot=off $(JAVA_OPTS) -jar $(APP)

package: $(APP) ## build the server into target/quarkus-app

$(APP): $(SOURCES) | jdk
	$(MVN) -q $(MVN_ARGS) package -DskipTests
	@touch $@
	@JAVA=$(JAVA) deploy/aot-cache $(dir $@)

test: | jdk ## every untagged test: minutes, no GPU, no network beyond the registries
	$(MVN) $(MVN_ARGS) spotless:check test

test-slow: $(APP) ## tests tagged slow, on the packaged server where they need one
	$(MVN) $(MVN_ARGS) test -Dtest.groups=slow -Dtest.server=none -Dtest.excluded='browser,gpu'

test-browser: $(APP) ## tests tagged browser: they need a Chromium
	$(MVN) $(MVN_ARGS) test -Dtest.groups=browser -Dtest.server=none -Dtest.excluded=gpu

test-gpu: | jdk ## tests tagged gpu: they need an NVIDIA card and its driver
	$(MVN) $(MVN_ARGS) test -Dtest.groups=gpu -Dtest.server=none -Dtest.excluded=browser

clients: $(APP) ## the clients people use (openai, LangChain4j, lm-eval, grpcurl) against the packaged server
	$(MVN) $(MVN_ARGS) test -Dtest.groups=clients -Dtest.server=none -Dtest.excluded='browser,gpu'

format: | jdk ## format the sources
	$(MVN) -q $(MVN_ARGS) spotless:apply

$(TEST_CLASSPATH): pom.xml $(shell find src proto) | jdk
	$(MVN) -q $(MVN_ARGS) test-compile dependency:build-classpath -DincludeScope=test -Dmdep.outputFile=$@

bench: $(APP) $(TEST_CLASSPATH) ## JMH and end-to-end figures, beside llama.cpp where loadtest/peer is set up
	@JAVA=$(JAVA) CLASSPATH_FILE=$(TEST_CLASSPATH) loadtest/bench $(BENCH)

loadtest: $(TEST_CLASSPATH) ## load a running server: LOAD="--url http://localhost:8080 --rate 4 --requests 100"
	@exec $(JAVA) -cp "target/test-classes:target/classes:$$(cat $(TEST_CLASSPATH))" dev.nightshift.load.LoadGenerator $(LOAD)

clean: ## delete target/
	rm -rf target
