package dev.nightshift.tensor.cpu;

/**
 * Which inner loops a backend works with.
 *
 * @param bits vector width: 128, 256 or 512
 * @param machineCode whether those that exist in machine code are used
 */
record Kernels(int bits, boolean machineCode) {
    /** @param wanted machine code is used where there is some for this width and the machine runs it */
    static Kernels of(int bits, CpuKernels wanted) {
        return new Kernels(
                bits, wanted == CpuKernels.AUTO && bits == MachineCode.BITS && MachineCode.OBSTACLE.isEmpty());
    }

    /** What {@link #fourBit}, {@link #fourBitGroups} and {@link #fewRows} read. */
    CodeOrder codeOrder() {
        return machineCode ? CodeOrder.COLUMNS : CodeOrder.ROWS;
    }

    FourBitLanes fourBit() {
        FourBitLanes vector = at(FourBitLanes.class, FourBitVectors.class);
        return machineCode ? new MachineTiles(vector) : vector;
    }

    FourBitGroupLanes fourBitGroups() {
        return machineCode ? FourBitGroupLanes.NONE : at(FourBitGroupLanes.class, FourBitGroups.class);
    }

    DenseLanes dense() {
        return at(DenseLanes.class, DenseVectors.class);
    }

    DenseGroupLanes denseGroups() {
        return machineCode ? new MachineGroups() : DenseGroupLanes.NONE;
    }

    FewRowsLanes fewRows() {
        return machineCode ? new MachineFewRows() : FewRowsLanes.NONE;
    }

    PanelLanes panels() {
        PanelLanes vector = at(PanelLanes.class, PanelVectors.class);
        return machineCode ? new MachinePanels(vector) : vector;
    }

    AttentionLanes attention() {
        AttentionLanes vector = at(AttentionLanes.class, AttentionVectors.class);
        return machineCode ? new MachineAttention(vector) : vector;
    }

    ChainLanes chains() {
        return machineCode ? new MachineChains() : new ChainVectors();
    }

    <T> T at(Class<T> type, Class<? extends T> kernel) {
        return Lanes.at(bits, type, kernel);
    }
}
