package dev.nightshift.tuning;

import dev.nightshift.engine.EngineLoop;
import dev.nightshift.engine.EngineStatistics;

/** What training needs of the engine; turns the arrow round, since the engine is built around its idle work. */
interface EngineSeat {
    /** Neighbouring blocks for the arena, the first one's number, or -1. Engine thread. */
    int lend(int blocks);

    /** Engine thread. */
    void giveBack(int first, int blocks);

    /** Lets a sleeping engine look for work. */
    void wake();

    /** Whether requests run or wait. */
    boolean busy();

    /** Whether chat lacks room that training could give. */
    boolean starved();

    /** The seat in a running engine. */
    static EngineSeat of(EngineLoop engine) {
        return new EngineSeat() {
            private long preemptions;

            @Override
            public int lend(int blocks) {
                return engine.lendBlocks(blocks);
            }

            @Override
            public void giveBack(int first, int blocks) {
                engine.returnBlocks(first, blocks);
            }

            @Override
            public void wake() {
                engine.wake();
            }

            @Override
            public boolean busy() {
                return engine.statistics().busy();
            }

            @Override
            public boolean starved() {
                EngineStatistics now = engine.statistics();
                boolean preempted = now.preemptions() > preemptions;
                preemptions = now.preemptions();
                return preempted
                        || now.waiting() > 0 && now.running() < engine.limits().maxRunning();
            }
        };
    }
}
